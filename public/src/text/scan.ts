/** Words of the QR scanner. */

import type { Trouble } from "~/scan/camera";
import { words } from "./words";

export const scanText = words("scanText", {
  title: "Scan the QR code",
  hint: "Point the camera at the code that the workstation shows.",
  opening: "Opening the camera",
  close: "Close",
  picture: "Use a picture instead",
  noCode: "There is no QR code in that picture.",
  trouble: {
    insecure: "The browser gives the camera only to pages opened with https or from this machine itself. Paste the link instead.",
    denied: "The camera is blocked for this page. Allow it in the browser's settings for this site, or paste the link instead.",
    none: "There is no camera on this device. Paste the link instead.",
    busy: "The camera is in use by something else. Close the other app and try again.",
    failed: "The camera did not work. Paste the link instead.",
  } satisfies Record<Trouble, string>,
});
