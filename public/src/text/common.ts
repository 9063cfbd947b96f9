/** Words that several screens share, and the ways to say a moment or a duration. */

import { locale, words } from "./words";

export const common = words("common", {
  app: "Tiflis",
  back: "Back",
  cancel: "Cancel",
  close: "Close",
  copied: "Copied",
  copy: "Copy",
  copyFailed: "The browser does not let this page copy. Select the text and copy it by hand.",
  delete: "Delete",
  loading: "Loading",
  menu: "More",
  retry: "Try again",
  skip: "Skip to the conversation",
  dismiss: "Dismiss",
  supervisor: "Supervisor",
  terminal: "Terminal",
  unnamed: "Workstation",
  today: "Today",
  yesterday: "Yesterday",
});

/** Words by a code that may come from anywhere: "constructor" is no code, though every object has one. */
export function wordsBy(words: Record<string, string>): Readonly<Record<string, string | undefined>> {
  return Object.assign(Object.create(null) as Record<string, string>, words);
}

/** What an error code means for the user and what to do next. */
export const errors = words("errors", wordsBy({
  INVALID_AUTH_KEY: "The workstation did not accept the key. Pair again with a fresh link.",
  INVALID_PAYLOAD: "The workstation did not understand the request. It may need an update.",
  INTERNAL_ERROR: "Something went wrong on the workstation. Try again.",
  SESSION_NOT_FOUND: "This session has ended.",
  SESSION_BUSY: "The agent is still working. Wait until it is done, or stop it first.",
  WORKSTATION_OFFLINE: "The workstation is offline. It is tried again as soon as it is back.",
  TUNNEL_NOT_FOUND: "The server does not know this workstation. Start it, or pair again.",
  FORBIDDEN: "This device may not do that. Ask the workstation's owner for more rights.",
  RATE_LIMITED: "Too many attempts. It goes on by itself in a moment.",
  offline: "There is no connection right now. Try again once it is back.",
  lost: "The connection went before the answer came. Try again.",
  timeout: "The workstation did not answer in time. Try again.",
  "no-ack": "Not confirmed by the workstation.",
  "hold-expired": "The workstation did not come back in time. It was not delivered.",
  "hold-unsure": "A server failed while it delivered this: it arrived once, or not at all.",
  "hold-full": "The server holds as many messages as it may. This one waits here instead.",
  "hold-refused": "The server does not take this message. It waits here instead.",
  "no-audio": "This sound is no longer to be had.",
  "too-long": "The recording is too long to send. Make a shorter one.",
}));

export function errorText(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === "string" && errors[code]) return errors[code];
  const message = error instanceof Error ? error.message : typeof error === "string" ? error : "";
  return errors[message] ?? (message || errors.INTERNAL_ERROR!);
}

const clock = format({ hour: "numeric", minute: "2-digit" });
const day = format({ weekday: "long", day: "numeric", month: "long" });
const full = format({ dateStyle: "medium", timeStyle: "medium" });

/** Made at its first use, when the language is known. */
function format(options: Intl.DateTimeFormatOptions): (at: number) => string {
  let made: Intl.DateTimeFormat | null = null;
  return (at) => (made ??= new Intl.DateTimeFormat(locale(), options)).format(at);
}

export const timeOf = (at: number): string => clock(at);
export const fullTimeOf = (at: number): string => full(at);

export function dayOf(at: number, now: number): string {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0) return common.today;
  return days === 1 ? common.yesterday : day(at);
}

const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0);

/** "12 s", "4 min", "3 h", "2 d": how long something lasts already. */
export function lasting(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
