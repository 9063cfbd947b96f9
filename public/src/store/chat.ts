/** What happens to one chat: pure steps from a chat to the next one. */

import type { ContentBlock } from "../protocol/blocks";
import type { Incoming } from "../protocol/messages";
import { plainText } from "./match";
import type { Chat, ChatMessage, OutboxItem } from "./state";

type Output = Extract<Incoming, { type: "output" }>;
type UserMessage = Extract<Incoming, { type: "user_message" }>;

/** A snapshot of an answer: each holds the whole answer so far and takes the place of the one before. */
export function applyOutput(chat: Chat, output: Output, now: number): Chat {
  const index = indexOfAnswer(chat.messages, output.streamingId);
  const before = chat.messages[index];
  if (before && !before.streaming && !output.complete) return chat;
  const message = answer(before, output, now);
  const messages = before ? replaced(chat.messages, index, message) : [...settled(chat.messages), message];
  return { ...chat, messages, executing: !output.complete };
}

function answer(before: ChatMessage | undefined, output: Output, now: number): ChatMessage {
  const messageId = output.streamingId ?? before?.messageId ?? null;
  return {
    key: before?.key ?? output.streamingId ?? `answer-${now}-${output.at}`,
    messageId,
    sequence: before?.sequence ?? null,
    role: "assistant",
    blocks: [...output.blocks, ...spoken(before, output.blocks)],
    at: before?.at ?? output.at,
    seenAt: before?.seenAt ?? now,
    streaming: !output.complete,
    delivery: null,
    foreign: false,
  };
}

/** A voice block that came beside the snapshots stays when the next snapshot does not know it. */
function spoken(before: ChatMessage | undefined, blocks: ContentBlock[]): ContentBlock[] {
  if (!before || blocks.some((block) => block.kind === "voice_output")) return [];
  return before.blocks.filter((block) => block.kind === "voice_output");
}

/** By its id; where one side has none, the answer is the one that streams last. */
function indexOfAnswer(messages: ChatMessage[], streamingId: string | undefined): number {
  const answers = (fits: (message: ChatMessage) => boolean) =>
    messages.findLastIndex((message) => message.role === "assistant" && fits(message));
  if (!streamingId) return answers((message) => message.streaming);
  const exact = answers((message) => message.messageId === streamingId);
  return exact >= 0 ? exact : answers((message) => message.streaming && message.messageId === null);
}

/** One answer streams at a time: a new one ends those before. */
function settled(messages: ChatMessage[]): ChatMessage[] {
  if (!messages.some((message) => message.streaming)) return messages;
  return messages.map((message) => (message.streaming ? { ...message, streaming: false } : message));
}

function replaced(messages: ChatMessage[], index: number, message: ChatMessage): ChatMessage[] {
  const copy = messages.slice();
  copy[index] = message;
  return copy;
}

/** Somebody else's words, from another device or another tab of this one. */
export function applyUserMessage(chat: Chat, message: UserMessage, now: number): Chat {
  if (message.messageId && chat.messages.some((known) => known.messageId === message.messageId)) return chat;
  const entry: ChatMessage = {
    key: message.messageId ?? `foreign-${now}-${chat.messages.length}`,
    messageId: message.messageId ?? null,
    sequence: null,
    role: "user",
    blocks: message.blocks,
    at: message.at,
    seenAt: now,
    streaming: false,
    delivery: null,
    foreign: true,
  };
  return { ...chat, messages: [...chat.messages, entry] };
}

/** How long after the acknowledgement the workstation's echo of our own words may come. */
const ECHO_WITHIN = 60_000;

/** True when a message under this device's id is the echo of one this tab sent. */
export function isEcho(chat: Chat, outbox: OutboxItem[], message: UserMessage, now: number): boolean {
  const words = plainText(message.blocks);
  if (outbox.some((item) => item.id === message.messageId || (item.sentAt !== null && same(item.text, words)))) return true;
  return chat.messages.some(
    (known) =>
      known.delivery === "received" &&
      (known.messageId === message.messageId || (now - known.seenAt < ECHO_WITHIN && same(plainText(known.blocks), words))),
  );
}

const same = (one: string, other: string) => one.trim() === other.trim();

/** The workstation has our message: from the outbox into the chat, before an answer that began meanwhile. */
export function acceptOwn(chat: Chat, item: OutboxItem, now: number): Chat {
  if (chat.messages.some((known) => known.messageId === item.id)) return chat;
  const entry: ChatMessage = {
    key: item.id,
    messageId: item.id,
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

/** The words of a voice message, once the workstation has understood them. */
export function applyTranscription(chat: Chat, words: string, messageId: string | undefined, error: string | undefined): Chat {
  const index = chat.messages.findLastIndex((message) => hasVoice(message, messageId));
  const message = chat.messages[index];
  if (!message) return chat;
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
  const index = chat.messages.findLastIndex((message) => message.role === "assistant" && (!messageId || message.messageId === messageId));
  const at = index >= 0 ? index : chat.messages.findLastIndex((message) => message.role === "assistant");
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

/** The connection went: nothing streams until we know more, and what we have may be behind. */
export function leftBehind(chat: Chat): Chat {
  const freshness = chat.freshness === "fresh" ? "stale" : chat.freshness;
  return { ...chat, freshness, loading: "no" };
}

/** The workstation's word on whether the agent works; ends what streams here when it does not. */
export function applyExecuting(chat: Chat, executing: boolean): Chat {
  if (executing) return chat.executing ? chat : { ...chat, executing };
  if (!chat.executing && !chat.messages.some((message) => message.streaming)) return chat;
  return { ...chat, executing, messages: settled(chat.messages) };
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
