/** The messages a client sends and receives, as the rest of the client sees them (camelCase, optional fields settled). */

import type { ContentBlock } from "./blocks";

export type SessionStatus = "active" | "idle" | "busy";

export interface SessionInfo {
  id: string;
  /** `cursor`, `claude`, `opencode`, `terminal`, `supervisor`, or one this client does not know. */
  type: string;
  status: SessionStatus;
  workspace?: string;
  project?: string;
  worktree?: string;
  workingDir?: string;
  agentAlias?: string;
  createdAt?: number;
}

export interface AgentInfo {
  name: string;
  baseType: string;
  description?: string;
  isAlias: boolean;
}

export interface ProjectInfo {
  name: string;
  isGitRepo: boolean;
  defaultBranch?: string;
}

export interface WorkspaceInfo {
  name: string;
  projects: ProjectInfo[];
}

export interface SyncState {
  sessions: SessionInfo[];
  subscriptions: string[];
  supervisorIsExecuting: boolean;
  executing: ReadonlyMap<string, boolean>;
  supervisorStreaming: ContentBlock[];
  agents: AgentInfo[];
  workspaces: WorkspaceInfo[];
  hiddenBaseTypes: string[];
}

export interface HistoryEntry {
  messageId: string;
  sequence: number;
  role: "user" | "assistant" | "system";
  blocks: ContentBlock[];
  at: number;
}

export interface HistoryPage {
  /** null: the supervisor's chat. */
  sessionId: string | null;
  entries: HistoryEntry[];
  hasMore: boolean;
  isExecuting?: boolean;
  streaming: ContentBlock[];
  error?: string;
}

export interface ReplayMessage {
  content: string;
  sequence?: number;
  at: number;
}

export interface ReplayPage {
  messages: ReplayMessage[];
  hasMore: boolean;
  firstSequence?: number;
  lastSequence?: number;
  currentSequence?: number;
}

/** What became of a message that waits at the server for the workstation. */
export interface Receipt {
  id: string;
  /** The type of the message, in lists. */
  kind?: string;
  state: "held" | "delivered" | "expired" | "cancelled" | "unsure" | "refused" | "unknown";
  until?: number;
  notBefore?: number;
  reason?: string;
}

/** A message from the server or the workstation, read and settled. `chat` null is the supervisor. */
export type Incoming =
  | { type: "connected"; restored: boolean; tunnelVersion: string; resume?: { epoch: string; seq: number; verdict: string } }
  | { type: "mark"; epoch: string; seq: number }
  | { type: "receipt"; receipt: Receipt }
  /** Null: the server cannot say what it keeps. */
  | { type: "held"; messages: Receipt[] | null }
  | { type: "pong"; timestamp: number }
  | { type: "error"; id?: string; code: string; message: string; reason?: string }
  | { type: "auth.success"; workstationName?: string; workstationVersion?: string; workspacesRoot?: string }
  | { type: "auth.error"; code: string; message: string }
  | { type: "sync.state"; state: SyncState }
  | { type: "heartbeat.ack"; id: string; uptime?: number }
  | { type: "connection.offline" }
  | { type: "connection.online" }
  | { type: "response"; id: string; payload: Record<string, unknown> }
  | { type: "ack"; messageId: string; sessionId?: string }
  | { type: "session.created"; session: SessionInfo }
  | { type: "session.terminated"; sessionId: string }
  | { type: "session.subscribed"; sessionId: string; isMaster?: boolean; cols?: number; rows?: number; isExecuting?: boolean; streaming: ContentBlock[]; streamingId?: string }
  | { type: "session.unsubscribed"; sessionId: string }
  | { type: "session.resized"; sessionId: string; success: boolean; cols: number; rows: number; reason?: string }
  | { type: "session.error"; sessionId: string; code: string; message: string }
  | { type: "replay"; sessionId: string; page: ReplayPage }
  | { type: "terminal.output"; sessionId: string; content: string; sequence?: number; at: number }
  | { type: "output"; chat: string | null; blocks: ContentBlock[]; at: number; complete: boolean; streamingId?: string; sequence?: number }
  | { type: "user_message"; chat: string | null; blocks: ContentBlock[]; at: number; fromDevice?: string; messageId?: string }
  | { type: "transcription"; chat: string | null; text: string; messageId?: string; error?: string }
  | { type: "voice_output"; chat: string | null; audio: string; format: string; messageId: string; duration?: number; fromDevice?: string }
  | { type: "context_cleared" }
  | { type: "history"; id: string; page: HistoryPage }
  | { type: "audio"; id: string; messageId: string; audio?: string; error?: string }
  /** `name` null: no JSON object. */
  | { type: "unknown"; name: string | null };

export type AudioFormat = "webm" | "opus" | "m4a" | "mp4" | "wav" | "mp3";

/** A message as it goes on the wire; `outgoing.ts` builds them, golden frames check them. */
export type Outgoing = { type: string; [field: string]: unknown };
