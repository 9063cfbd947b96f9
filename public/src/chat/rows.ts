/** What the conversation shows, row by row: messages of the chat, then what is still on its way. */

import type { ThreadMessageLike } from "@assistant-ui/core";
import { ownBlocks } from "~/store/chat";
import type { Chat, ChatMessage, OutboxItem } from "~/store/state";
import { dayOf } from "~/text/common";

export interface Row {
  message: ChatMessage;
  /** The unsent message behind it. */
  item: OutboxItem | null;
  /** A new day begins with it. */
  day: string | null;
  /** The next row is of the same minute: one time below both is enough. */
  goesOn: boolean;
}

const MINUTE = 60_000;

const rowsOfMessages = new WeakMap<ChatMessage, Row>();
const messagesOfItems = new WeakMap<OutboxItem, ChatMessage>();

/** The same message gives the same row again, so that only what changed is drawn anew. */
export function rowsOf(chat: Chat, outbox: OutboxItem[], now: number): Row[] {
  const all = chat.messages.map((message): [ChatMessage, OutboxItem | null] => [message, null]);
  for (const item of outbox) if (item.state !== "queued") all.push([messageOf(item), item]);
  // While older ones are to come nobody knows whether a day begins with the first.
  let before = chat.hasOlder && chat.messages[0] ? midnightOf(chat.messages[0]) : null;
  return all.map(([message, item], at) => {
    const midnight = midnightOf(message);
    const day = midnight === before ? null : dayOf(message.at, now);
    before = midnight;
    const next = all[at + 1]?.[0];
    return rowOf(message, item, day, next !== undefined && minuteOf(next) === minuteOf(message));
  });
}

const midnights = new WeakMap<ChatMessage, number>();

/** Calendars are slow, and a long conversation is gone through at each update. */
function midnightOf(message: ChatMessage): number {
  const known = midnights.get(message) ?? new Date(message.at).setHours(0, 0, 0, 0);
  midnights.set(message, known);
  return known;
}

const minuteOf = ({ at }: ChatMessage): number => Math.floor(at / MINUTE);

function rowOf(message: ChatMessage, item: OutboxItem | null, day: string | null, goesOn: boolean): Row {
  const known = rowsOfMessages.get(message);
  if (known && known.day === day && known.goesOn === goesOn) return known;
  const row = { message, item, day, goesOn };
  rowsOfMessages.set(message, row);
  return row;
}

function messageOf(item: OutboxItem): ChatMessage {
  const known = messagesOfItems.get(item);
  if (known) return known;
  const message: ChatMessage = {
    key: item.id,
    messageId: item.id,
    label: null,
    sequence: null,
    role: "user",
    blocks: ownBlocks(item),
    at: item.sentAt ?? item.createdAt,
    seenAt: item.createdAt,
    streaming: false,
    delivery: item.state === "queued" ? "waiting" : item.state,
    foreign: false,
  };
  messagesOfItems.set(item, message);
  return message;
}

/** A row as assistant-ui takes it: it keeps the thread; the parts are drawn from the row (`parts/index.tsx`). */
export function toThreadMessage(row: Row): ThreadMessageLike {
  const { message } = row;
  return {
    id: message.key,
    role: message.role === "user" ? "user" : "assistant",
    createdAt: new Date(message.at),
    content: [],
    ...(message.role !== "user" && { status: message.streaming ? RUNNING : DONE }),
    metadata: { custom: { row } },
  };
}

const RUNNING = { type: "running" } as const;
const DONE = { type: "complete", reason: "stop" } as const;
