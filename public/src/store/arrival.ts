/** Tells whether the history already has a message of this device, which it may keep under another id. */

import { plainText, SKEW } from "./match";
import { newestSequence } from "./merge";
import type { Chat, ChatMessage, OutboxItem } from "./state";

/** Return the state of the chat when a message first leaves this device: no row that stands there by then is the message. */
export function departure(chat: Chat, item: OutboxItem, now: number): NonNullable<OutboxItem["departure"]> {
  const twins = chat.messages.filter((row) => row.sequence === null && row.at >= now - SKEW && says(row, item));
  return { at: now, newest: newestSequence(chat), twins: twins.length };
}

/** Return the index of the message's row, -1 if there is none. A row that another message of ours has taken does not count. */
export function rowOf(chat: Chat, item: OutboxItem): number {
  const byId = chat.messages.findIndex((row) => row.messageId === item.id);
  const newest = newestSequence(chat);
  if (byId >= 0 || newest === null) return byId;
  const { at, newest: before, twins } = item.departure ?? { at: item.sentAt ?? item.createdAt, newest: null, twins: 0 };
  // A workstation that lost its memory counts anew: then only the time tells.
  const after = before !== null && before <= newest ? before : -Infinity;
  const rows = [...chat.messages.keys()].filter((index) => {
    const row = chat.messages[index]!;
    return row.sequence !== null && row.sequence > after && row.at >= at - SKEW && says(row, item);
  });
  return rows.slice(twins).find((index) => chat.messages[index]!.delivery === null && !chat.messages[index]!.foreign) ?? -1;
}

/** Return whether the row can be the message; the words of a recording are not known here. */
function says({ role, blocks }: ChatMessage, { audio, text }: OutboxItem): boolean {
  if (role !== "user") return false;
  return audio === undefined ? plainText(blocks).trim() === text.trim() : blocks.some(({ kind }) => kind === "voice_input");
}
