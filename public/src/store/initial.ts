/** What everything starts from. */

import type { Scope } from "./scope";
import type { Chat, ChatKey, ConnectionState, Settings, State } from "./state";

export const SETTINGS: Settings = {
  language: "system",
  theme: "system",
  textSize: "normal",
  terminalFontSize: 14,
  terminalKeyOrder: [],
  terminalKeyRow: false,
  terminalSnippets: [],
  autoplay: true,
  playbackRate: 1,
  notifications: false,
  sounds: false,
  sendWith: "enter",
  sidebarWidth: 304,
  sidebarFolded: false,
  follow: "end",
  showThinking: true,
};

export const IDLE: ConnectionState = { phase: "idle", since: 0, why: "", retryAt: null, keeps: false };

export const EMPTY_CHAT: Chat = {
  messages: [],
  hasOlder: false,
  loading: "no",
  freshness: "none",
  asOf: null,
  executing: false,
  held: false,
  error: null,
};

/** Everything that belongs to one workstation and goes when another is selected. */
export const NO_WORKSTATION = {
  connection: IDLE,
  scope: null as Scope | null,
  workstationName: "",
  workstationVersion: "",
  workspacesRoot: "",
  syncedAt: null,
  sessions: new Map(),
  agents: [],
  workspaces: [],
  hiddenBaseTypes: [],
  chats: new Map(),
  outbox: [],
  held: new Map(),
  heldKnown: true,
  drafts: new Map(),
  unread: new Map(),
  summaries: new Map(),
  ended: new Map(),
  pinned: new Set<ChatKey>(),
  revealing: null,
  terminals: new Map(),
} satisfies Partial<State>;

export const INITIAL: State = {
  workstations: [],
  waitingElsewhere: new Map(),
  loaded: false,
  durable: true,
  current: null,
  watching: null,
  settings: SETTINGS,
  notices: [],
  ...NO_WORKSTATION,
};
