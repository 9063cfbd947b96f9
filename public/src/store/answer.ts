/**
 * Which row of a chat a frame of an answer belongs to: pure steps from a chat to the next one.
 *
 * Each frame holds the whole answer so far. Its id is only a label: the shipped workstation gives the label,
 * and the blocks, of a finished answer to the one that follows within ten seconds, and may change the label
 * in mid-answer. So rows have keys of their own, and a frame finds its row by what stands around it.
 */

import type { ContentBlock } from "../protocol/blocks";
import type { Incoming } from "../protocol/messages";
import { newRowKey } from "./match";
import type { Chat, ChatMessage } from "./state";

export type Output = Extract<Incoming, { type: "output" }>;

export function applyOutput(chat: Chat, output: Output, now: number): Chat {
  const streaming = chat.messages.findLastIndex((message) => message.streaming);
  const going = chat.messages[streaming];
  if (going && belongsTo(chat.messages, streaming, output)) return goOn(chat, streaming, going, output);
  return going ? begin(settled(chat), output, now) : meet(chat, output, now);
}

/** One row goes on until a user's message stands below it; then only for words that continue its own. */
function belongsTo(messages: ChatMessage[], index: number, output: Output): boolean {
  if (!askedAfter(messages, index) || onlyCancel(output.blocks)) return true;
  const row = messages[index]!;
  const sameLabel = row.label === null || output.streamingId === undefined || row.label === output.streamingId;
  return continues(row, output.blocks) && (sameLabel || wordsOf(row.blocks) !== "");
}

function goOn(chat: Chat, index: number, row: ChatMessage, output: Output): Chat {
  const own = withoutCarried(chat.messages, output, row);
  // A frame of nothing but an earlier answer's blocks says nothing about this one.
  const base = relabelled(row, output) ? row.blocks : (row.base ?? []);
  const blocks = own.length > 0 || output.complete ? shown(row, joined(base, own.length > 0 ? own : output.blocks)) : row.blocks;
  const { base: _, ...rest } = row;
  const next: ChatMessage = { ...rest, label: output.streamingId ?? row.label, blocks, streaming: !output.complete };
  if (!output.complete && base.length > 0) next.base = base;
  return { ...chat, messages: replaced(chat.messages, index, next), executing: !output.complete };
}

const relabelled = (row: ChatMessage, { streamingId, blocks }: Output): boolean =>
  row.label !== null && streamingId !== undefined && streamingId !== row.label && !onlyCancel(blocks);

/** What was said under the label before, as far as the frame does not say it again. */
function joined(base: ContentBlock[], own: ContentBlock[]): ContentBlock[] {
  if (base.length === 0 || onlyCancel(own) || wordsOf(own).startsWith(wordsOf(base))) return own;
  const rest = base.filter((block) => block.kind !== "voice_output" && !own.some((each) => each.kind === block.kind && each.id === block.id));
  const [last, first] = [rest.at(-1), own[0]];
  const goesOn = last?.kind === "text" && first?.kind === "text" && first.content.startsWith(last.content);
  return [...(goesOn ? rest.slice(0, -1) : rest), ...own];
}

/** A frame while no answer streams: the first of a new answer, or a late one of a finished answer. */
function meet(chat: Chat, output: Output, now: number): Chat {
  const index = lastAnswer(chat.messages, output.streamingId);
  const done = chat.messages[index];
  const asked = index < 0 || askedAfter(chat.messages, index);
  if (done && !asked && output.streamingId !== undefined) {
    if (!output.complete && isPartOf(output.blocks, done)) return chat;
    if (output.complete && continues(done, output.blocks)) {
      return { ...chat, messages: replaced(chat.messages, index, { ...done, blocks: shown(done, output.blocks) }), executing: false };
    }
  }
  return begin(chat, output, now);
}

function begin(chat: Chat, output: Output, now: number): Chat {
  const own = withoutCarried(chat.messages, output);
  if (own.length === 0 && !output.complete) return chat.executing ? chat : { ...chat, executing: true };
  const row: ChatMessage = {
    key: newRowKey(),
    messageId: null,
    label: output.streamingId ?? null,
    sequence: null,
    role: "assistant",
    blocks: own.length > 0 ? own : output.blocks,
    at: output.at,
    seenAt: now,
    streaming: !output.complete,
    delivery: null,
    foreign: false,
  };
  return { ...chat, messages: [...chat.messages, row], executing: !output.complete };
}

/** What the frame says beyond the finished answers that had its label before it. */
function withoutCarried(messages: ChatMessage[], output: Output, row?: ChatMessage): ContentBlock[] {
  const { blocks, streamingId } = output;
  const earlier = messages.filter((each) => each !== row && each.role === "assistant" && !each.streaming);
  const carriers = streamingId === undefined ? earlier.slice(-1) : earlier.filter((each) => goesBy(each, streamingId));
  if (carriers.length === 0 || onlyCancel(blocks)) return blocks;
  if (!output.complete && !row && carriers.some((each) => wordsOf(each.blocks) === wordsOf(blocks))) return [];
  if (streamingId === undefined) return blocks;
  const carried = new Set(carriers.flatMap((each) => each.blocks.map(print)));
  const first = blocks.findIndex((block) => !carried.has(print(block)));
  return first < 0 ? [] : blocks.slice(first);
}

const print = (block: ContentBlock) => JSON.stringify([block.kind, block.id, block.content]);

/** The frame's blocks, and what stays of those before: sound that came beside the frames, all of a stopped answer. */
function shown(row: ChatMessage, blocks: ContentBlock[]): ContentBlock[] {
  if (onlyCancel(blocks)) return [...row.blocks.map(halted), ...blocks];
  if (blocks.some((block) => block.kind === "voice_output")) return blocks;
  return [...blocks, ...row.blocks.filter((block) => block.kind === "voice_output")];
}

const halted = (block: ContentBlock): ContentBlock =>
  block.kind === "tool" && block.status === "running" ? { ...block, status: "failed" } : block;

const onlyCancel = (blocks: ContentBlock[]) => blocks.length > 0 && blocks.every((block) => block.kind === "cancel");

export const goesBy = (message: ChatMessage, id: string) => message.messageId === id || message.label === id;

function lastAnswer(messages: ChatMessage[], label: string | undefined): number {
  return messages.findLastIndex((message) => message.role === "assistant" && (label === undefined || goesBy(message, label)));
}

function askedAfter(messages: ChatMessage[], index: number): boolean {
  return messages.some((message, at) => at > index && message.role === "user");
}

function continues(row: ChatMessage, blocks: ContentBlock[]): boolean {
  return wordsOf(blocks).startsWith(wordsOf(row.blocks));
}

function isPartOf(blocks: ContentBlock[], row: ChatMessage): boolean {
  return wordsOf(row.blocks).startsWith(wordsOf(blocks));
}

/** What an answer says, for telling whether one frame continues another; states and marks come and go. */
function wordsOf(blocks: ContentBlock[]): string {
  return blocks
    .filter(({ kind }) => kind !== "status" && kind !== "cancel" && kind !== "voice_output")
    .map(({ content }) => content)
    .join("\n");
}

/** One answer streams at a time: a new one ends those before. */
export function settled(chat: Chat): Chat {
  if (!chat.messages.some((message) => message.streaming)) return chat;
  return { ...chat, messages: chat.messages.map((message) => (message.streaming ? { ...message, streaming: false } : message)) };
}

export function replaced(messages: ChatMessage[], index: number, message: ChatMessage): ChatMessage[] {
  const copy = messages.slice();
  copy[index] = message;
  return copy;
}

/** The answers that ended between two states of a chat. */
export function endedBetween(before: Chat, after: Chat): ChatMessage[] {
  const done = new Set(before.messages.filter((message) => !message.streaming).map((message) => message.key));
  return after.messages.filter((message) => message.role === "assistant" && !message.streaming && !done.has(message.key));
}
