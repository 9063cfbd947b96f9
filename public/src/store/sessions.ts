/** What the workstation tells about itself and its sessions: pure steps of the state. */

import type { SessionInfo, SyncState } from "../protocol/messages";
import { applyExecuting, applyStreaming } from "./chat";
import { EMPTY_CHAT } from "./initial";
import { SUPERVISOR, type Chat, type ChatKey, type State } from "./state";

export const keyOf = (sessionId: string | null): ChatKey => sessionId ?? SUPERVISOR;
/** The supervisor's chat goes by no session id on the wire. */
export const sessionOf = (chat: ChatKey): string | null => (chat === SUPERVISOR ? null : chat);

export const isTerminal = (session: SessionInfo | undefined): boolean => session?.type === "terminal";

export function chatOf(state: State, key: ChatKey): Chat {
  return state.chats[key] ?? EMPTY_CHAT;
}

export function withChat(state: State, key: ChatKey, step: (chat: Chat) => Chat): Pick<State, "chats"> {
  const before = chatOf(state, key);
  const after = step(before);
  return { chats: after === before ? state.chats : { ...state.chats, [key]: after } };
}

export function applySync(state: State, sync: SyncState, now: number): Partial<State> {
  const sessions = Object.fromEntries(
    sync.sessions.filter((session) => session.type !== "supervisor").map((session) => [session.id, session]),
  );
  const alive = (key: string) => key === SUPERVISOR || key in sessions;
  return {
    syncedAt: now,
    sessions,
    agents: sync.agents,
    workspaces: sync.workspaces,
    hiddenBaseTypes: sync.hiddenBaseTypes,
    chats: syncedChats(state, sync, alive, now),
    unread: only(state.unread, alive),
    terminals: only(state.terminals, alive),
  };
}

function syncedChats(state: State, sync: SyncState, alive: (key: string) => boolean, now: number): State["chats"] {
  const chats = only(state.chats, alive);
  const told: Record<ChatKey, boolean> = { [SUPERVISOR]: sync.supervisorIsExecuting };
  for (const session of sync.sessions) told[session.id] = sync.executing[session.id] ?? session.status === "busy";
  for (const [key, executing] of Object.entries(told)) {
    if (alive(key) && (executing || chats[key])) chats[key] = applyExecuting(chats[key] ?? EMPTY_CHAT, executing);
  }
  if (sync.supervisorIsExecuting) {
    chats[SUPERVISOR] = applyStreaming(chats[SUPERVISOR] ?? EMPTY_CHAT, sync.supervisorStreaming, undefined, now);
  }
  return chats;
}

export function sessionCreated(state: State, session: SessionInfo): Partial<State> {
  if (session.type === "supervisor" || !session.id) return {};
  return { sessions: { ...state.sessions, [session.id]: { ...state.sessions[session.id], ...session } } };
}

export function sessionTerminated(state: State, id: string): Partial<State> {
  const keep = (key: string) => key !== id;
  return {
    sessions: only(state.sessions, keep),
    chats: only(state.chats, keep),
    unread: only(state.unread, keep),
    terminals: only(state.terminals, keep),
  };
}

/** An agent's session is busy exactly while its chat executes. */
export function isBusy(state: State, session: SessionInfo): boolean {
  const executing = state.chats[session.id]?.executing;
  return executing ?? session.status === "busy";
}

function only<Value>(map: Record<string, Value>, keep: (key: string) => boolean): Record<string, Value> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => keep(key)));
}
