/** Words for the state of the connection: what, and why. */

import type { Phase } from "~/store/state";
import { wordsBy } from "./common";
import { words } from "./words";

export const phases: Record<Phase, string> = words("phases", {
  idle: "Not connected",
  connecting: "Connecting",
  connected: "Reaching the workstation",
  authenticated: "Connected, checking",
  verified: "Online",
  degraded: "The workstation answers slowly",
  workstation_offline: "Workstation offline",
  disconnected: "No connection",
  refused: "Key not accepted",
});

export const reasons = words("reasons", wordsBy({
  closed: "The server closed the connection or cannot be reached.",
  silent: "The connection went silent.",
  heartbeat: "The workstation stopped answering.",
  "no-answer": "The server did not answer.",
  "no-auth": "The workstation did not answer.",
  blocked: "The browser refused to connect. A page opened with https can only reach wss:// addresses.",
  network: "This device has no network.",
  INVALID_AUTH_KEY: "The workstation did not accept the key. Pair again with a fresh link.",
  "owner-key": "The workstation's own link no longer pairs new devices. Ask for a code or a link from a device that is paired: Settings, Devices, Add a device.",
  "key-ended": "The key of this device is no longer valid: it was revoked, has ended, or belongs to another device. Ask the workstation's owner for a new one.",
  INVALID_PAYLOAD: "The server did not accept the pairing. Pair again with a fresh link.",
  TUNNEL_NOT_FOUND: "The server does not know this workstation (yet).",
  RATE_LIMITED: "Too many attempts with a wrong key. It goes on by itself.",
}));

export const connection = words("connection", {
  details: "Connection details",
  since: (duration: string) => `for ${duration}`,
  retryIn: (duration: string) => `next attempt in ${duration}`,
  retryNow: "Try now",
  pairAgain: "Pair again",
  held: "What you send waits until the workstation is back.",
  stale: (duration: string) => `As of ${duration} ago`,
  staleEver: "From the last visit",
  waiting: (count: number) => (count === 1 ? "1 message waits" : `${count} messages wait`),
  drafts: (count: number) => (count === 1 ? "1 draft" : `${count} drafts`),
  leftBehind: "Messages that wait elsewhere",
  leftBehindText: (count: number, name: string) =>
    `${count === 1 ? "A message waits" : `${count} messages wait`} at an earlier pairing with ${name}. If this is the same workstation, send them from here.`,
  adopt: "Send here",
  notNow: "Not now",
  server: "Server",
  tunnel: "Tunnel",
  workstation: "Workstation",
  version: "Version",
});
