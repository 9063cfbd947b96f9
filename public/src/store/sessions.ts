/** What the workstation tells about itself and its sessions: pure steps of the state. */

import { ENDED_MOST } from "../protocol/limits";
import type { SessionInfo, SyncState } from "../protocol/messages";
import { applyExecuting, applyStreaming } from "./chat";
import { EMPTY_CHAT } from "./initial";
import { summaryOf } from "./news";
import { SUPERVISOR, type Chat, type ChatKey, type State } from "./state";

export const keyOf = (sessionId: string | null): ChatKey => sessionId ?? SUPERVISOR;
/** The supervisor's chat goes by no session id on the wire. */
export const sessionOf = (chat: ChatKey): string | null => (chat === SUPERVISOR ? null : chat);

export const isTerminal = (session: SessionInfo | undefined): boolean => session?.type === "terminal";

export function chatOf(state: State, key: ChatKey): Chat {
  return state.chats.get(key) ?? EMPTY_CHAT;
}

export function withChat(state: State, key: ChatKey, step: (chat: Chat) => Chat): Partial<State> {
  const before = chatOf(state, key);
  const after = step(before);
  if (after === before) return {};
  const chats = new Map(state.chats).set(key, after);
  return after.messages === before.messages ? { chats } : { chats, ...withSummary(state, key, after) };
}

function withSummary({ summaries }: State, key: ChatKey, { messages }: Chat): Partial<State> {
  const summary = summaryOf(messages);
  if (summary === summaries.get(key)) return {};
  const next = new Map(summaries);
  if (summary) next.set(key, summary);
  else if (messages.length === 0) next.delete(key);
  return { summaries: next };
}

export function applySync(state: State, sync: SyncState, now: number): Partial<State> {
  const sessions = new Map(
    sync.sessions.filter((session) => session.type !== "supervisor").map((session) => [session.id, session]),
  );
  const ended = endedBy(state, sessions);
  const alive = (key: string) => key === SUPERVISOR || sessions.has(key);
  return {
    syncedAt: now,
    sessions,
    agents: sync.agents,
    workspaces: sync.workspaces,
    hiddenBaseTypes: sync.hiddenBaseTypes,
    ended,
    chats: syncedChats(state, sync, ended, alive, now),
    unread: only(state.unread, alive),
    summaries: only(state.summaries, alive),
    terminals: only(state.terminals, alive),
  };
}

/** Sessions that are gone, as far as there is something to read or a draft to save. */
function endedBy(state: State, sessions: ReadonlyMap<string, SessionInfo>): Map<string, SessionInfo> {
  const worth = ({ id, type }: SessionInfo) => type !== "terminal" && (chatOf(state, id).messages.length > 0 || Boolean(state.drafts.get(id)?.trim()));
  const gone = [...state.ended.values(), ...state.sessions.values()].filter((session) => !sessions.has(session.id) && worth(session));
  return new Map(gone.slice(-ENDED_MOST).map((session) => [session.id, session]));
}

/** Nothing more comes in such a chat. */
const closed = (chat: Chat): Chat => ({ ...applyExecuting(chat, false), held: false, loading: "no", error: null });

function syncedChats(
  state: State,
  sync: SyncState,
  ended: ReadonlyMap<string, SessionInfo>,
  alive: (key: string) => boolean,
  now: number,
): State["chats"] {
  const chats = only(state.chats, (key) => alive(key) || ended.has(key));
  for (const key of ended.keys()) if (chats.has(key)) chats.set(key, closed(chats.get(key)!));
  const told = new Map<ChatKey, boolean>();
  for (const session of sync.sessions) told.set(session.id, sync.executing.get(session.id) ?? session.status === "busy");
  told.set(SUPERVISOR, sync.supervisorIsExecuting);
  for (const [key, executing] of told) {
    const chat = chats.get(key);
    if (alive(key) && (executing || chat)) chats.set(key, applyExecuting(chat ?? EMPTY_CHAT, executing));
  }
  if (sync.supervisorIsExecuting) {
    chats.set(SUPERVISOR, applyStreaming(chats.get(SUPERVISOR) ?? EMPTY_CHAT, sync.supervisorStreaming, undefined, now));
  }
  return chats;
}

export function sessionCreated(state: State, session: SessionInfo): Partial<State> {
  if (session.type === "supervisor" || !session.id) return {};
  const sessions = new Map(state.sessions).set(session.id, { ...state.sessions.get(session.id), ...session });
  return { sessions, ended: only(state.ended, (id) => id !== session.id) };
}

export function sessionTerminated(state: State, id: string): Partial<State> {
  const keep = (key: string) => key !== id;
  const sessions = only(state.sessions, keep);
  const ended = endedBy(state, sessions);
  const chats = only(state.chats, (key) => keep(key) || ended.has(key));
  if (chats.has(id)) chats.set(id, closed(chats.get(id)!));
  return {
    sessions,
    ended,
    chats,
    unread: only(state.unread, keep),
    summaries: only(state.summaries, keep),
    terminals: only(state.terminals, keep),
  };
}

/** One unread message more. */
export function counted(unread: State["unread"], key: ChatKey): State["unread"] {
  return new Map(unread).set(key, (unread.get(key) ?? 0) + 1);
}

/** An agent's session is busy exactly while its chat executes. */
export function isBusy(state: State, session: SessionInfo): boolean {
  const executing = state.chats.get(session.id)?.executing;
  return executing ?? session.status === "busy";
}

function only<Value>(map: ReadonlyMap<string, Value>, keep: (key: string) => boolean): Map<string, Value> {
  return new Map([...map].filter(([key]) => keep(key)));
}
