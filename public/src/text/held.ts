/** Words of messages that wait at the server for the workstation, or for a moment. */

import { words } from "./words";

export const held = words("held", {
  title: "Waiting at the server",
  lead: "The server delivers these once, even if this page is closed. Then they are deleted there.",
  none: "Nothing waits at the server.",
  here: (count: number) => (count === 1 ? "1 message waits on this device, as long as the page is open." : `${count} messages wait on this device, as long as the page is open.`),
  whenBack: "Send when it is back",
  at: "Send at …",
  sendAt: "Send later",
  sendAtLead: "The server keeps the message until then, and delivers it even if this page is closed. If the workstation is away at that time, it waits for another hour.",
  when: "When",
  what: "Message",
  send: "Send then",
  tooEarly: "This moment has passed.",
  tooLate: "At most 23 hours from now.",
  waits: (until: string) => `Waits until the workstation is back, until ${until} at most`,
  later: (at: string) => `Is sent ${at}`,
  handing: "Is handed to the server",
  cancel: "Cancel",
  cancelNamed: (words: string) => `Cancel “${words}”`,
  otherTab: "From another tab",
  all: (count: number) => (count === 1 ? "1 message waits at the server" : `${count} messages wait at the server`),
  unknown: "The server cannot say right now what waits there.",
  unreachable: "The server cannot be reached right now.",
});
