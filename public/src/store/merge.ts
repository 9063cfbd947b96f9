/** Brings pages of history and live messages together: each message once, in the workstation's order. */

import type { HistoryEntry, HistoryPage } from "../protocol/messages";
import { fits, newRowKey, plainText, sameWords } from "./match";
import type { Chat, ChatMessage } from "./state";

export interface Merge {
  chat: Chat;
  /** Messages between this page and what was known before are still missing: ask again before this sequence. */
  gapBefore: number | null;
}

/** The newest page, or one on the way from it down to what is known (`gap`). */
export function mergeNewest(before: Chat, page: HistoryPage, now: number): Merge {
  const chat = beganAnew(before, page) ? { ...before, messages: before.messages.filter((each) => each.sequence === null) } : before;
  const known = newestSequence(chat);
  const oldest = page.entries[0]?.sequence;
  const closes = known === null || oldest === undefined || oldest <= known || !page.hasMore;
  const messages = ordered(combined(chat.messages, page.entries, now));
  const hasOlder = known === null || (closes && oldest !== undefined && oldest <= lowest(chat)) ? page.hasMore : chat.hasOlder;
  return { chat: { ...chat, messages, hasOlder }, gapBefore: closes ? null : oldest };
}

/** A page that closes a gap: `known` is the newest sequence from before the absence. */
export function mergeGap(chat: Chat, page: HistoryPage, known: number, now: number): Merge {
  const oldest = page.entries[0]?.sequence;
  const closes = oldest === undefined || oldest <= known || !page.hasMore;
  return { chat: { ...chat, messages: ordered(combined(chat.messages, page.entries, now)) }, gapBefore: closes ? null : oldest };
}

export function mergeOlder(chat: Chat, page: HistoryPage, now: number): Chat {
  return { ...chat, messages: ordered(combined(chat.messages, page.entries, now)), hasOlder: page.hasMore && page.entries.length > 0 };
}

/** Too much happened meanwhile: forget what lies before the gap, it is a scroll away. */
export function dropBefore(chat: Chat, sequence: number): Chat {
  const messages = chat.messages.filter((message) => message.sequence === null || message.sequence >= sequence);
  return { ...chat, messages, hasOlder: true };
}

export function newestSequence(chat: Chat): number | null {
  return chat.messages.reduce<number | null>(
    (most, { sequence }) => (sequence !== null && (most === null || sequence > most) ? sequence : most),
    null,
  );
}

export function oldestSequence(chat: Chat): number | null {
  const least = lowest(chat);
  return Number.isFinite(least) ? least : null;
}

function lowest(chat: Chat): number {
  return Math.min(...chat.messages.flatMap(({ sequence }) => (sequence === null ? [] : [sequence])), Infinity);
}

function combined(messages: ChatMessage[], entries: HistoryEntry[], now: number): ChatMessage[] {
  const rest = messages.slice();
  const merged: ChatMessage[] = [];
  for (const entry of entries) {
    const index = counterpart(rest, entry);
    const [before] = index >= 0 ? rest.splice(index, 1) : [];
    merged.push(stored(before, entry, now));
  }
  return [...rest, ...merged];
}

/** The workstation has lost its memory: its numbers went back, or stand for other messages than before. */
function beganAnew({ messages }: Chat, { entries }: HistoryPage): boolean {
  const newest = entries.at(-1)?.sequence ?? -1;
  const ids = new Map(entries.map((entry) => [entry.sequence, entry.messageId]));
  return messages.some(
    ({ sequence, messageId }) => sequence !== null && (sequence > newest || (ids.get(sequence) ?? messageId) !== messageId),
  );
}

/** By its own id, else by its label, which another answer may have too, or by its words. */
function counterpart(messages: ChatMessage[], entry: HistoryEntry): number {
  const byId = messages.findIndex((message) => message.messageId === entry.messageId);
  if (byId >= 0) return byId;
  const byLabel = messages.findIndex((message) => message.label === entry.messageId && fits(message, entry));
  return byLabel >= 0 ? byLabel : messages.findIndex((message) => sameWords(message, entry));
}

function stored(before: ChatMessage | undefined, entry: HistoryEntry, now: number): ChatMessage {
  const unchanged = before && JSON.stringify(before.blocks) === JSON.stringify(entry.blocks);
  return {
    key: before?.key ?? newRowKey(),
    messageId: entry.messageId,
    label: before?.label ?? null,
    sequence: entry.sequence,
    role: entry.role,
    blocks: before && (unchanged || saysLess(entry, before)) ? before.blocks : entry.blocks,
    at: entry.at || (before?.at ?? now),
    seenAt: before?.seenAt ?? now,
    streaming: false,
    delivery: before?.delivery ?? null,
    foreign: before?.foreign ?? false,
  };
}

/** The history keeps nothing of a stopped answer but that it was stopped, and of some answers the end alone. */
function saysLess(entry: HistoryEntry, { blocks, role }: ChatMessage): boolean {
  if (entry.blocks.length === 0) return true;
  if (role === "user" || entry.blocks.length >= blocks.length) return false;
  const [live, stored] = [plainText(blocks), plainText(entry.blocks)];
  return entry.blocks.every((block) => block.kind === "cancel") || (live !== stored && live.endsWith(stored));
}

/** By sequence; a live message without one comes after what was there when it was seen, by its time. */
function ordered(messages: ChatMessage[]): ChatMessage[] {
  const numbered = messages.filter((message) => message.sequence !== null);
  numbered.sort((a, b) => a.sequence! - b.sequence!);
  const live = messages.filter((message) => message.sequence === null);
  for (const message of live) {
    const after = message.streaming ? numbered.length - 1 : numbered.findLastIndex((other) => other.at <= message.at);
    numbered.splice(after + 1, 0, message);
  }
  return numbered;
}
