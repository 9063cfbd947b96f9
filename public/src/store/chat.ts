/** What happens to one chat: pure steps from a chat to the next one. */

import type { ContentBlock } from "../protocol/blocks";
import type { Incoming } from "../protocol/messages";
import { applyOutput, goesBy, replaced, settled } from "./answer";
import { rowOf } from "./arrival";
import { newRowKey, plainText } from "./match";
import type { Chat, ChatMessage, OutboxItem } from "./state";

type UserMessage = Extract<Incoming, { type: "user_message" }>;

/** Somebody else's words, from another device or another tab of this one. */
export function applyUserMessage(chat: Chat, message: UserMessage, now: number): Chat {
  if (message.messageId && chat.messages.some((known) => known.messageId === message.messageId)) return chat;
  const words = plainText(message.blocks);
  const spoken = chat.messages.some(
    (known) => known.foreign && known.blocks[0]?.kind === "voice_input" && now - known.seenAt < ECHO_WITHIN && same(plainText(known.blocks), words),
  );
  return spoken ? chat : { ...chat, messages: [...chat.messages, foreign(message.blocks, message.messageId, message.at, now)] };
}

function foreign(blocks: ContentBlock[], messageId: string | undefined, at: number, now: number): ChatMessage {
  return {
    key: newRowKey(),
    messageId: messageId ?? null,
    label: null,
    sequence: null,
    role: "user",
    blocks,
    at,
    seenAt: now,
    streaming: false,
    delivery: null,
    foreign: true,
  };
}

/** How long after the acknowledgement the workstation's echo of our own words may come. */
const ECHO_WITHIN = 60_000;

/** True when a message under this device's id is the echo of one this tab sent. */
export function isEcho(chat: Chat, outbox: OutboxItem[], message: UserMessage, now: number): boolean {
  const words = plainText(message.blocks);
  if (outbox.some((item) => item.id === message.messageId || (underWay(item, now) && same(item.text, words)))) return true;
  return chat.messages.some(
    (known) =>
      known.delivery === "received" &&
      (known.messageId === message.messageId || (now - known.seenAt < ECHO_WITHIN && same(plainText(known.blocks), words))),
  );
}

/** Sent from here, or by the server that keeps it. */
const underWay = ({ sentAt, state, hold }: OutboxItem, now: number): boolean => sentAt !== null || (state === "held" && (hold?.notBefore ?? 0) <= now);

const same = (one: string, other: string) => one.trim() === other.trim();

/** Show a message that the workstation has: as the row that the history brought, else as a new one before an answer that began meanwhile. */
export function acceptOwn(chat: Chat, item: OutboxItem, now: number): Chat {
  const index = rowOf(chat, item);
  const row = chat.messages[index];
  if (row) return row.messageId === item.id ? chat : { ...chat, messages: replaced(chat.messages, index, { ...row, delivery: "received" }) };
  const entry: ChatMessage = {
    key: item.id,
    messageId: item.id,
    label: null,
    sequence: null,
    role: "user",
    blocks: ownBlocks(item),
    at: item.sentAt ?? now,
    seenAt: now,
    streaming: false,
    delivery: "received",
    foreign: false,
  };
  const last = chat.messages.at(-1);
  const early = last?.streaming === true && last.seenAt >= (item.sentAt ?? now);
  const messages = early ? [...chat.messages.slice(0, -1), entry, last] : [...chat.messages, entry];
  return { ...chat, messages, executing: true };
}

export function ownBlocks(item: OutboxItem): ContentBlock[] {
  if (item.audio === undefined) return [{ kind: "text", id: "own", content: item.text }];
  const duration = item.duration === undefined ? {} : { duration: item.duration };
  return [{ kind: "voice_input", id: "own", content: "", messageId: item.id, hasAudio: true, ...duration }];
}

type Transcription = Extract<Incoming, { type: "transcription" }>;

/** The words of a voice message, once the workstation has understood them; the first that is heard of another device's. */
export function applyTranscription(chat: Chat, { text: words, messageId, error }: Transcription, now: number): Chat {
  const index = chat.messages.findLastIndex((message) => hasVoice(message, messageId));
  const message = chat.messages[index];
  if (!message) {
    if (!words || !messageId) return chat;
    const block: ContentBlock = { kind: "voice_input", id: "spoken", content: words, messageId, hasAudio: false };
    return { ...chat, messages: [...chat.messages, foreign([block], messageId, now, now)] };
  }
  const blocks = message.blocks.map((block) => (block.kind === "voice_input" ? { ...block, content: words || block.content } : block));
  if (error) blocks.push({ kind: "error", id: "transcription", content: error, code: "TRANSCRIPTION" });
  return { ...chat, messages: replaced(chat.messages, index, { ...message, blocks }), executing: error ? false : chat.executing };
}

function hasVoice(message: ChatMessage, messageId: string | undefined): boolean {
  const voice = message.blocks.find((block) => block.kind === "voice_input");
  if (!voice) return false;
  return messageId ? message.messageId === messageId || voice.messageId === messageId : voice.content === "";
}

/** Sound for an answer; added as a block when the answer does not say that it has one. */
export function applyVoiceOutput(chat: Chat, messageId: string, duration: number | undefined): Chat {
  const at = answerOf(chat.messages, messageId);
  const message = chat.messages[at];
  if (!message || message.blocks.some((block) => block.kind === "voice_output")) return chat;
  const block: ContentBlock = {
    kind: "voice_output",
    id: `spoken-${messageId}`,
    content: "",
    messageId,
    hasAudio: true,
    ...(duration !== undefined && { duration }),
  };
  return { ...chat, messages: replaced(chat.messages, at, { ...message, blocks: [...message.blocks, block] }) };
}

/** The answer that goes by this id, or that follows the question that does; else the last one. */
function answerOf(messages: ChatMessage[], id: string): number {
  const named = messages.findLastIndex((message) => id !== "" && goesBy(message, id));
  if (messages[named]?.role === "assistant") return named;
  const next = named < 0 ? -1 : messages.findIndex((message, index) => index > named && message.role === "assistant");
  return next >= 0 ? next : messages.findLastIndex((message) => message.role === "assistant");
}

/** The connection went: nothing streams until we know more, and what we have may be behind. */
export function leftBehind(chat: Chat, now: number): Chat {
  if (chat.freshness !== "fresh") return { ...chat, loading: "no" };
  return { ...chat, freshness: "stale", asOf: now, loading: "no" };
}

/** All that was missed since the connection went has been repeated: what was up to date then is so again. */
export function caughtUp(chat: Chat, lostAt: number): Chat {
  return chat.freshness === "stale" && chat.asOf === lostAt ? { ...chat, freshness: "fresh" } : chat;
}

/** The workstation's word on whether the agent works; ends what streams here when it does not. */
export function applyExecuting(chat: Chat, executing: boolean): Chat {
  if (executing) return chat.executing ? chat : { ...chat, executing };
  if (!chat.executing && !chat.messages.some((message) => message.streaming)) return chat;
  return { ...settled(chat), executing };
}

/** What is left of an answer whose last frame never came: the workstation tells its text, and that it works no more. */
export function applyEnd(chat: Chat, blocks: ContentBlock[], streamingId: string | undefined, now: number): Chat {
  return applyExecuting(chat.executing ? applyStreaming(chat, blocks, streamingId, now) : chat, false);
}

/** The answer so far, as told on subscription or synchronisation. */
export function applyStreaming(chat: Chat, blocks: ContentBlock[], streamingId: string | undefined, now: number): Chat {
  if (blocks.length === 0) return chat;
  return applyOutput(chat, {
    type: "output",
    chat: null,
    blocks,
    at: now,
    complete: false,
    ...(streamingId !== undefined && { streamingId }),
  }, now);
}
