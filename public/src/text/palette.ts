/** Words of the palette: one field for sessions, actions, settings and what was said. */

import { words } from "./words";

export const palette = words("palette", {
  title: "Find or do something",
  placeholder: "Session, action, setting or words of a message",
  none: "Nothing found",
  sessions: "Sessions",
  actions: "Actions",
  settings: "Settings",
  messages: "Messages",
  theme: (name: string) => `Theme: ${name}`,
  textSize: (name: string) => `Text size: ${name}`,
  switchOn: (name: string) => `Turn on: ${name}`,
  switchOff: (name: string) => `Turn off: ${name}`,
  workstation: (name: string) => `Go to ${name}`,
  older: "Search older messages",
  searched: (count: number) => `Searched ${count.toLocaleString()} messages.`,
  first: (shown: number, found: number) => `The newest ${shown} of ${found.toLocaleString()} places are shown.`,
  full: "This is as far back as it goes; each conversation's own search goes further.",
});
