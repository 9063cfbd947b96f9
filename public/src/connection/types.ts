/** The wire as the client sees it: one socket that keeps itself alive, and the clock it lives by. */

import type { Incoming, Outgoing } from "../protocol/messages";

export type Phase =
  | "idle"
  | "connecting"
  | "connected"
  | "authenticated"
  | "verified"
  | "degraded"
  | "workstation_offline"
  | "disconnected"
  | "refused";

export interface ConnectionState {
  phase: Phase;
  /** When this phase began; wall clock, milliseconds. */
  since: number;
  /** Why, as a code of `text/connection.ts`; empty when all is well. */
  why: string;
  /** When the next attempt is due, if one is. */
  retryAt: number | null;
  /** Connected to a server that keeps messages for a workstation that is away. */
  keeps: boolean;
}

/** The part of a browser's WebSocket the link uses; tests bring their own. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: (() => void) | null;
  readonly readyState: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export interface Clock {
  now(): number;
  after(milliseconds: number, run: () => void): () => void;
}

export interface LinkTarget {
  url: string;
  tunnelId: string;
  authKey: string;
  deviceId: string;
  /** Ask the server to keep what a lost socket misses. Not for a mere look at whether a pairing is taken. */
  resumes?: boolean;
  /** A person is looking at the page. */
  visible?(): boolean;
}

export interface LinkEvents {
  changed(state: ConnectionState): void;
  received(message: Incoming): void;
  /** Authenticated (again): synchronise and subscribe anew, unless the server repeats whatever was missed. */
  ready(resumed: boolean): void;
  /** What was sent and not answered may be lost from here on. */
  lost(): void;
}

export interface Link {
  start(): void;
  stop(): void;
  /** False when it could not be put on the wire. */
  send(message: Outgoing): boolean;
  retry(): void;
  /** The page was hidden: the server may notify this device from now on. */
  hidden(): void;
  /** The workstation's state is known: from here on a cursor is enough to go on. */
  settled(): void;
  readonly usable: boolean;
}
