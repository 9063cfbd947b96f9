/** Words of the notifications' page. */

import type { Kind, Obstacle } from "~/notify/push";
import { wordsBy } from "./common";
import { words } from "./words";

export const push = words("push", {
  title: "Notifications",
  hint: "Also when this page is closed: what about, quiet hours, muted sessions.",
  on: "Notify this device, also when the page is closed",
  onHint: "Through the push service of this browser's maker, encrypted. Without the words of a message, unless you want them below.",
  kinds: "What about",
  kind: { done: "An answer is done", failed: "An answer has failed", offline: "The workstation is away for a minute", bell: "A terminal rings" } satisfies Record<Kind, string>,
  quiet: "Quiet hours",
  quietHint: "No notifications between these times, in this device's time zone.",
  from: "From",
  to: "To",
  excerpt: "With the beginning of the answer",
  excerptHint: "It is then shown on the lock screen too.",
  muted: "Sessions",
  mutedHint: "Switched off: nothing about this session.",
  test: "Send a test notification",
  sent: "Sent. It should appear in a moment.",
  ask: "The browser asks whether it may show notifications; allow it there.",
  obstacles: {
    insecure: "The browser shows notifications only for pages opened with https.",
    ios: "On an iPhone or iPad notifications work only from the home screen: tap Share, then “Add to Home Screen”, and open the app from there.",
    unsupported: "This browser cannot receive notifications for a closed page, or not in a private window.",
    denied: "Notifications are blocked for this page. Allow them in the browser's settings for this site, then come back.",
  } satisfies Record<Obstacle, string>,
  problems: wordsBy({
    unsupported: "The server sends no notifications. It may need an update, or its operator has switched them off.",
    offline: "The server cannot be reached from this page. Open the web client of the workstation's own server.",
    INVALID_PAYLOAD: "The server does not take this browser's push service. Its operator can allow it (PUSH_SERVICES).",
    DEVICE_LIMIT: "As many devices have notifications as may have them. Switch them off on another one first.",
    SEND_FAILED: "The server cannot store this right now. Try again.",
    subscribe: "The browser's push service cannot be reached, or the browser does not allow it.",
    none: "The server no longer knows this device's subscription. Switch it off and on again.",
    gone: "The push service has ended this device's subscription. Switch it off and on again.",
    refused: "The push service did not take the notification. Switch it off and on again, or try later.",
    failed: "The push service could not be reached. Try again later.",
  }),
});
