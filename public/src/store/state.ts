/** The whole state of the client: plain, immutable data, no functions. Ids come from others: what is kept by id is a Map. */

import type { ContentBlock } from "../protocol/blocks";
import type { AgentInfo, Receipt, SessionInfo, WorkspaceInfo } from "../protocol/messages";
import type { ConnectionState } from "../connection/types";
import type { OutboxItem, Workstation } from "../vault/kept";
import type { Summary } from "./news";
import type { Scope } from "./scope";

export type { ConnectionState, Phase } from "../connection/types";
export type { OutboxItem, Workstation } from "../vault/kept";

/** The key of a chat in `chats`, `drafts`, `unread`: a session's id, or `SUPERVISOR`. */
export type ChatKey = string;
export const SUPERVISOR: ChatKey = "supervisor";

export type Delivery = "held" | "waiting" | "sending" | "unsure" | "received" | "failed";

export interface ChatMessage {
  /** Stable for the life of the message on this screen: the React key. */
  key: string;
  messageId: string | null;
  /** What the frames of an answer go by on the wire; several answers may have the same. */
  label: string | null;
  /** Place in the workstation's history; null until known. */
  sequence: number | null;
  role: "user" | "assistant" | "system";
  blocks: ContentBlock[];
  /** What a streaming answer had said when its label changed: the frames since may not repeat it. */
  base?: ContentBlock[];
  at: number;
  /** When this page first saw it; orders a message of ours before the answer to it. */
  seenAt: number;
  streaming: boolean;
  delivery: Delivery | null;
  /** Sent from another device or tab. */
  foreign: boolean;
}

export interface Chat {
  messages: ChatMessage[];
  hasOlder: boolean;
  loading: "no" | "newest" | "older";
  /** Nothing loaded yet, loaded, or loaded but perhaps behind (after an absence). */
  freshness: "none" | "fresh" | "stale";
  /** When what is shown was last known to be all; null: it never was. */
  asOf: number | null;
  executing: boolean;
  /** The user stopped the agent: what waits for it goes out only when the user says so. */
  held: boolean;
  error: string | null;
}

export interface TerminalState {
  /** Null until the workstation has answered the subscription. */
  isMaster: boolean | null;
  cols: number;
  rows: number;
  subscribed: boolean;
  /** A replay is on its way: output is held back until it is in. */
  repairing: boolean;
}

export interface Settings {
  language: "system" | "en" | "de" | "es";
  theme: "system" | "light" | "dark";
  textSize: "small" | "normal" | "large";
  terminalFontSize: number;
  /** Names of keys; unknown ones are left out, missing ones come last. */
  terminalKeyOrder: string[];
  /** The row of keys where a keyboard is at hand; on touch it is always there. */
  terminalKeyRow: boolean;
  terminalSnippets: { text: string; enter: boolean }[];
  autoplay: boolean;
  playbackRate: number;
  notifications: boolean;
  sounds: boolean;
  sendWith: "enter" | "mod-enter";
  /** Pixels of the list beside a conversation, and whether it is folded away. */
  sidebarWidth: number;
  sidebarFolded: boolean;
  /** Where the view stays while an answer grows longer than it. */
  follow: "end" | "beginning";
  showThinking: boolean;
}

export interface Notice {
  id: string;
  kind: "info" | "error";
  text: string;
}

export interface State {
  workstations: Workstation[];
  /** How many unsent messages wait at each of the other workstations. */
  waitingElsewhere: ReadonlyMap<string, number>;
  /** The vault has been read: before it nobody knows whether there are workstations. */
  loaded: boolean;
  /** False where the browser keeps keys only as long as the tab lives (no https). */
  durable: boolean;
  current: string | null;
  connection: ConnectionState;
  /** What this device's key lets it do; null until the server has said so. */
  scope: Scope | null;
  /** From `auth.success`. */
  workstationName: string;
  workstationVersion: string;
  workspacesRoot: string;
  /** When the list below was last told by the workstation; null: from the shelf of an earlier visit or never. */
  syncedAt: number | null;
  sessions: ReadonlyMap<string, SessionInfo>;
  agents: AgentInfo[];
  workspaces: WorkspaceInfo[];
  hiddenBaseTypes: string[];
  chats: ReadonlyMap<ChatKey, Chat>;
  outbox: OutboxItem[];
  /** What waits at the server for the workstation, from all tabs of this device. */
  held: ReadonlyMap<string, Receipt>;
  /** False: the server could not say what waits there when it was asked last. */
  heldKnown: boolean;
  drafts: ReadonlyMap<ChatKey, string>;
  unread: ReadonlyMap<ChatKey, number>;
  /** The last words of each chat, also of those that are not loaded. */
  summaries: ReadonlyMap<ChatKey, Summary>;
  /** Sessions that ended while this page knew them: their conversations stay readable. */
  ended: ReadonlyMap<string, SessionInfo>;
  /** Kept on top of the list, on this device. */
  pinned: ReadonlySet<ChatKey>;
  terminals: ReadonlyMap<string, TerminalState>;
  /** A found message that its conversation shall bring into view. */
  revealing: { chat: ChatKey; messageId: string | null } | null;
  /** What is on screen and visible: it gathers no unread count and raises no notification. */
  watching: ChatKey | null;
  settings: Settings;
  notices: Notice[];
}
