/** The last conversations, sealed in the vault: what is read when there is no connection. Bounded, and gone on unpairing. */

import { SHELF_AFTER, SHELF_CHATS, SHELF_CHAT_LENGTH, SHELF_MESSAGES } from "../protocol/limits";
import type { ContentBlock } from "../protocol/blocks";
import type { Piece } from "../vault/vault";
import type { Core } from "./core";
import { EMPTY_CHAT } from "./initial";
import { newRowKey } from "./match";
import { summaryOf, type Summary } from "./news";
import type { Chat, ChatKey, ChatMessage, State } from "./state";

const CHAT = "chat ";
const SUMMARIES = "summaries";

type Kept = Pick<Chat, "messages" | "hasOlder" | "asOf">;

export class Shelf {
  private readonly dirty = new Set<ChatKey>();
  private stop: (() => void) | null = null;
  private writes: Promise<unknown> = Promise.resolve();

  constructor(private readonly core: Core) {
    core.store.subscribe((state, before) => this.changed(state, before));
  }

  /** What was kept of a workstation; damaged or older pieces count for nothing. */
  async load(workstationId: string): Promise<Pick<State, "chats" | "summaries">> {
    const pieces = await this.core.vault.pieces(workstationId).catch((): Piece[] => []);
    const chats = new Map<ChatKey, Chat>();
    const summaries = new Map<ChatKey, Summary>();
    for (const { name, value } of pieces) {
      if (name === SUMMARIES) for (const [key, summary] of value as [ChatKey, Summary][]) summaries.set(key, summary);
      else if (Array.isArray((value as Partial<Kept>).messages)) chats.set(name.slice(CHAT.length), asChat(value as Kept));
    }
    for (const [key, { messages }] of chats) {
      const summary = summaryOf(messages);
      if (summary) summaries.set(key, summary);
    }
    return { chats, summaries };
  }

  /** Writes what has changed; before another workstation is looked at. */
  flush(): void {
    this.stop?.();
    this.stop = null;
    const state = this.core.store.getState();
    if (!state.current || !state.workstations.some(({ id }) => id === state.current)) return this.dirty.clear();
    const latest = latestChats(state);
    for (const key of this.dirty) this.write(state.current, CHAT + key, latest.has(key) ? toKeep(state.chats.get(key)!) : null);
    this.write(state.current, SUMMARIES, [...state.summaries]);
    this.dirty.clear();
  }

  /** Once all that was begun is written. */
  written(): Promise<unknown> {
    return this.writes;
  }

  private changed(state: State, before: State): void {
    if (!state.current || state.current !== before.current) return this.dirty.clear();
    if (state.chats === before.chats && state.summaries === before.summaries) return;
    for (const [key, chat] of state.chats) {
      const known = before.chats.get(key);
      if (chat !== known && (chat.messages !== known?.messages || chat.asOf !== known.asOf)) this.dirty.add(key);
    }
    for (const key of before.chats.keys()) if (!state.chats.has(key) || state.ended.has(key)) this.dirty.add(key);
    if (this.dirty.size > 0 || state.summaries !== before.summaries) this.stop ??= this.core.clock.after(SHELF_AFTER, () => this.flush());
  }

  /** A full or forbidden storage costs only what could have been read offline. */
  private write(workstationId: string, name: string, value: unknown): void {
    const { vault } = this.core;
    const at = this.core.clock.now();
    const work = () => (value === null ? vault.dropPiece(workstationId, name) : vault.keepPiece({ workstationId, name, at, value }));
    this.writes = this.writes.then(work).catch(() => {});
  }
}

/** Those in which something happened last; sessions that have ended are not kept. */
function latestChats(state: State): Set<ChatKey> {
  const filled = [...state.chats].filter(([key, chat]) => chat.messages.length > 0 && !state.ended.has(key));
  filled.sort(([, a], [, b]) => lastAt(b) - lastAt(a));
  return new Set(filled.slice(0, SHELF_CHATS).map(([key]) => key));
}

const lastAt = (chat: Chat) => chat.messages.at(-1)?.at ?? 0;

/** The newest messages that fit. What streams is not whole yet, and sound is too large. */
function toKeep(chat: Chat): Kept | null {
  const whole = chat.messages.filter((message) => !message.streaming).slice(-SHELF_MESSAGES);
  const light = whole.map((message) => ({ ...message, blocks: message.blocks.map(withoutSound) }));
  let length = 0;
  const first = light.findLastIndex((message) => (length += JSON.stringify(message).length) > SHELF_CHAT_LENGTH) + 1;
  const messages = light.slice(first);
  if (messages.length === 0) return null;
  return { messages, hasOlder: chat.hasOlder || messages.length < chat.messages.length, asOf: chat.asOf };
}

function withoutSound(block: ContentBlock): ContentBlock {
  if (block.kind !== "voice_input" && block.kind !== "voice_output") return block;
  const { audio: _, ...rest } = block;
  return rest;
}

/** Keys are of the page that made them. */
function asChat({ messages, hasOlder, asOf }: Kept): Chat {
  const rows = messages.map((message): ChatMessage => ({ ...message, key: newRowKey() }));
  return { ...EMPTY_CHAT, messages: rows, hasOlder, asOf, freshness: "stale" };
}
