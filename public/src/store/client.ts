/** What the screens may ask of the client: the seam between the user interface and everything below it. */

import type { StoreApi } from "zustand/vanilla";
import type { AudioFormat } from "../protocol/messages";
import type { Fields } from "../protocol/fields";
import type { PairingData } from "../protocol/pairing";
import type { Outcome } from "./news";
import type { Hit, RunningSearch, Search } from "./search";
import type { Method } from "./server";
import type { ChatKey, ConnectionState, Settings, State } from "./state";

/**
 * Output of one terminal, in order and without doubles (the client runs `sequence.ts` itself).
 * `reset` comes before a screen that starts anew; `replayed` text must not ring the bell or be answered;
 * before `lost` text something is missing for good.
 */
export type TerminalChunk = { kind: "reset" } | { kind: "data"; text: string; replayed: boolean; lost: boolean };

/** Things that happen once and are no state. */
export type ClientEvent =
  | { kind: "answer-done"; chat: ChatKey; text: string; outcome: Outcome }
  | { kind: "bell"; sessionId: string }
  | { kind: "voice-output"; chat: ChatKey; messageId: string; audio: string; format: string; mine: boolean };

export type Unsubscribe = () => void;

export interface NewSession {
  type: string;
  workspace?: string;
  project?: string;
  worktree?: string;
}

export interface Probe {
  retry(): void;
  stop(): void;
}

export interface Client {
  readonly store: StoreApi<State>;

  start(): Promise<void>;
  /** Ask a workstation whether it takes this pairing, until it is stopped. */
  probe(data: PairingData, on: (connection: ConnectionState) => void): Probe;
  pair(data: PairingData, name?: string): Promise<string>;
  rename(workstationId: string, name: string): Promise<void>;
  forget(workstationId: string): Promise<void>;
  select(workstationId: string | null): Promise<void>;
  /** Send here what waits at another entry: after a change of keys the same workstation may be a new one. */
  adopt(workstationId: string): Promise<void>;
  /** Try again now: from a button, or when the page wakes up. */
  retry(): void;
  /** Ask the tunnel server itself, with the key of the current workstation or of the named one; raises RequestFailed. */
  ask(method: Method, path: string, body?: object, workstationId?: string): Promise<Fields>;
  /** The pairing behind a code that another device shows, from the server at this WebSocket address. */
  redeem(url: string, code: string): Promise<Fields>;

  /** The chat or terminal on screen, or null; opening a chat subscribes and loads its newest messages. */
  watch(chat: ChatKey | null): void;
  loadOlder(chat: ChatKey): Promise<void>;
  reload(chat: ChatKey): Promise<void>;
  /** Older messages of one chat to search in, several pages; `wanted` false ends it. */
  loadMany(chat: ChatKey, wanted: () => boolean): Promise<void>;
  /** Words in all conversations; `on` is called as places are found. */
  search(words: string, on: (search: Search) => void): RunningSearch;
  /** Load what is needed to show a found message; its conversation brings it into view. */
  reveal(hit: Pick<Hit, "chat" | "messageId" | "sequence">): Promise<void>;
  revealed(): void;
  send(chat: ChatKey, text: string): void;
  /** A quick reply: said once, be it tapped twice or answered on another device meanwhile. */
  reply(chat: ChatKey, text: string): void;
  sendVoice(chat: ChatKey, recording: Blob, format: AudioFormat, duration?: number): Promise<void>;
  /** Send a failed or queued message at once. */
  push(messageId: string): void;
  /** Let the server keep these messages until the workstation is back or a moment has come; false: it cannot be reached. */
  hold(ids: string[], notBefore: number | null): Promise<boolean>;
  /** As `send`, but at a moment; false: the server cannot be reached, and nothing was taken. */
  sendAt(chat: ChatKey, text: string, at: number): Promise<boolean>;
  /** Take one back; its words become the draft of its chat. */
  unhold(id: string): Promise<boolean>;
  discard(messageId: string): void;
  /** Take a queued message back for editing; returns its text. */
  recall(messageId: string): string;
  cancel(chat: ChatKey): Promise<void>;
  clearContext(): Promise<void>;
  draft(chat: ChatKey, text: string): void;
  pin(chat: ChatKey, pinned: boolean): void;
  /** Base64 audio of a message; throws with words for the user. */
  requestAudio(messageId: string, kind: "input" | "output"): Promise<{ audio: string; format: string }>;

  createSession(wanted: NewSession): Promise<string>;
  terminateSession(sessionId: string): Promise<void>;

  /** Subscribe a terminal and replay it from the start; chunks flow until the returned function is called. */
  openTerminal(sessionId: string, on: (chunk: TerminalChunk) => void): Unsubscribe;
  sendInput(sessionId: string, data: string): void;
  /** Only the master's word counts; sizes below 40 × 24 are raised to it. */
  resize(sessionId: string, cols: number, rows: number): void;
  /** Replay from the start, for a garbled screen. */
  replay(sessionId: string): void;
  /** A terminal has rung; `seen`: in view, though another chat has the screen's main place. */
  bell(sessionId: string, seen: boolean): void;
  /** A chat or terminal beside the one on screen is in view: nothing in it is unread. */
  read(chat: ChatKey): void;

  set(settings: Partial<Settings>): void;
  notice(kind: "info" | "error", text: string): void;
  dismiss(noticeId: string): void;
  onEvent(on: (event: ClientEvent) => void): Unsubscribe;
}
