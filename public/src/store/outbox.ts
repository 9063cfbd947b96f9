/** The way of a message from this tab to the workstation: pure steps of the outbox, and what may be sent next. */

import type { ChatKey, OutboxItem, State } from "./state";

export function change(outbox: OutboxItem[], id: string, fields: Partial<OutboxItem>): OutboxItem[] {
  return outbox.map((item) => (item.id === id ? { ...item, ...fields } : item));
}

export function without(outbox: OutboxItem[], id: string): OutboxItem[] {
  return outbox.filter((item) => item.id !== id);
}

export function inChat(outbox: OutboxItem[], chat: ChatKey): OutboxItem[] {
  return outbox.filter((item) => item.chat === chat);
}

/** The connection went: nobody knows whether what was under way has arrived. */
export function afterLoss(outbox: OutboxItem[]): OutboxItem[] {
  return outbox.map((item) => (item.state === "sending" ? { ...item, state: "unsure" } : item));
}

/** At the server for a later moment: others do not wait for it. */
const isLater = ({ state, hold }: OutboxItem): boolean => state === "held" && hold?.notBefore != null;

/** A new message waits its turn behind others of its chat, or while the agent works. */
export function stateForNew(state: State, chat: ChatKey): OutboxItem["state"] {
  const busy = state.chats.get(chat)?.executing === true;
  const ahead = inChat(state.outbox, chat).some((item) => item.state !== "failed" && !isLater(item));
  return busy || ahead ? "queued" : "waiting";
}

/** The next message to put on the wire, a chat one at a time and in the order written. */
export function nextToSend(state: State): OutboxItem | undefined {
  const blocked = new Set<ChatKey>();
  for (const item of state.outbox) {
    if (item.state === "failed" || isLater(item) || blocked.has(item.chat)) continue;
    const chat = state.chats.get(item.chat);
    const held = item.state === "queued" && (chat?.executing === true || chat?.held === true);
    if (!held && item.state !== "sending" && item.state !== "unsure" && item.state !== "held") return item;
    blocked.add(item.chat);
  }
  return undefined;
}

/** Chats whose history must tell whether a message arrived before the connection went. */
export function chatsInDoubt(outbox: OutboxItem[]): ChatKey[] {
  return [...new Set(outbox.filter((item) => item.state === "unsure").map((item) => item.chat))];
}
