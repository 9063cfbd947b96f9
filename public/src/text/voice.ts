/** Words of recording and playing. */

import type { Trouble } from "~/voice/trouble";
import { words } from "./words";

export const voiceText = words("voiceText", {
  record: "Record a voice message",
  recordHint: "Tap to record, or hold and speak",
  recording: "Recording",
  opening: "Opening the microphone",
  send: "Send the recording",
  cancel: "Discard the recording",
  slide: "Slide away to discard",
  releaseDiscards: "Let go to discard",
  discarded: "Recording discarded",
  tooShort: "That was too short. Hold the button while you speak, or tap it and tap again to send.",
  almostFull: (seconds: number) => `${seconds} s left`,
  dismiss: "Close",
  play: "Play",
  pause: "Pause",
  loading: "Fetching the audio",
  position: "Position",
  speed: (speed: number) => `Speed ${speed}×`,
  blocked: "The browser wants a tap before it plays sound.",
  broken: "This audio cannot be played.",
  trouble: {
    insecure: "The browser gives the microphone only to pages opened with https or from this machine itself. Open this page with https and try again.",
    denied: "The microphone is blocked for this page. Allow it in the browser's settings for this site (the sign beside the address), then try again.",
    none: "There is no microphone on this device. Connect one and try again.",
    busy: "The microphone is in use by something else, or was taken away. Close the other app and try again.",
    unsupported: "This browser cannot record sound. A current Chrome, Edge, Firefox or Safari can.",
    failed: "The recording did not work. Please try again.",
  } satisfies Record<Trouble, string>,
});
