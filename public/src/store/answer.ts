/**
 * Turns the frames of answers into rows: pure steps from a chat to the next one.
 *
 * Each frame repeats its answer so far. Its streaming id is only a label: workstations give the label and the text of a
 * finished answer to the next one, and change the label of an answer while it streams.
 */

import type { ContentBlock } from "../protocol/blocks";
import type { Incoming } from "../protocol/messages";
import { newRowKey } from "./match";
import type { Chat, ChatMessage } from "./state";

type Output = Extract<Incoming, { type: "output" }>;

/** Return the chat after a frame; `now` in milliseconds. */
export function applyOutput(chat: Chat, output: Output, now: number): Chat {
  const at = answerFor(chat.messages, output.streamingId);
  const row = chat.messages[at];
  if (!row) return begun(chat, output, now);
  const asked = questionFollows(chat.messages, at);
  if (isStop(output.blocks) && (row.streaming || !asked)) return stopped(chat, at, output.blocks);
  if (!row.streaming) return asked ? answered(chat, row, output, now) : late(chat, at, output, now);
  return isPartOf(row, output, asked) ? grown(chat, at, output) : applyOutput(settled(chat), output, now);
}

/** The first frames of an answer to a new question may be the answer before, word for word: of these nothing is shown. */
function answered(chat: Chat, earlier: ChatMessage, output: Output, now: number): Chat {
  const repeats = !output.complete && repeated(earlier, output.blocks) === output.blocks.length;
  return repeats ? { ...chat, executing: true } : begun(chat, output, now);
}

/** A frame after an answer that has ended, without a question between: a late one of it, more of it, or another answer. */
function late(chat: Chat, at: number, output: Output, now: number): Chat {
  const { blocks, streamingId, complete } = output;
  const row = chat.messages[at]!;
  if (streamingId !== undefined && !goesBy(row, streamingId)) return begun(chat, output, now);
  const over = isBeginning(blocks, row.blocks) || (streamingId !== undefined && row.blocks.some(isCancel));
  if (over) return complete && chat.executing ? { ...chat, executing: false } : chat;
  return isBeginning(sent(row.blocks), blocks) ? grown(chat, at, output) : begun(chat, output, now);
}

/** Return the chat with no answer streaming: what has been said stays. */
export function settled(chat: Chat): Chat {
  if (!chat.messages.some((row) => row.streaming)) return chat;
  const messages = chat.messages.map((row) => (row.streaming ? { ...row, streaming: false, base: undefined } : row));
  return { ...chat, messages };
}

/** Return the answers that are whole in `after` and were not so in `before`, in order. */
export function endedBetween(before: Chat, after: Chat): ChatMessage[] {
  const changed = after.messages.filter((row, at) => row.role === "assistant" && !row.streaming && row !== before.messages[at]);
  return changed.filter(({ key }) => before.messages.find((row) => row.key === key)?.streaming !== false);
}

/** Return whether the message has this id, in the history or as the label of its frames. */
export const goesBy = (row: ChatMessage, id: string): boolean => row.messageId === id || row.label === id;

export const replaced = (messages: ChatMessage[], at: number, row: ChatMessage): ChatMessage[] => messages.map((each, index) => (index === at ? row : each));

function answerFor(messages: ChatMessage[], label: string | undefined): number {
  const streaming = messages.findLastIndex((row) => row.streaming);
  return streaming >= 0 ? streaming : answerAbove(messages, messages.length, label);
}

/** Return the index of the latest answer with this label, else of the latest one; -1 if there is none. */
function answerAbove(messages: ChatMessage[], end: number, label: string | undefined | null): number {
  const latest = (fits: (row: ChatMessage) => boolean) => messages.findLastIndex((row, at) => at < end && row.role === "assistant" && fits(row));
  const named = label ? latest((row) => goesBy(row, label)) : -1;
  return named >= 0 ? named : latest(() => true);
}

const questionFollows = (messages: ChatMessage[], at: number): boolean => messages.findLastIndex((row) => row.role === "user") > at;

/** A frame belongs to the answer that streams, unless a question stands between and the frame says something else. */
function isPartOf(row: ChatMessage, { blocks, streamingId }: Output, asked: boolean): boolean {
  if (!asked || blocks.length === 0) return true;
  if (row.label !== null && streamingId !== undefined && row.label !== streamingId) return false;
  const [said] = row.blocks;
  const [says] = joined(row.base ?? [], blocks);
  return !said || (says !== undefined && isContinued(said, says));
}

/** Add the row of a new answer, once it says something. */
function begun(chat: Chat, { blocks, streamingId, at, complete }: Output, now: number): Chat {
  if (blocks.length === 0) return { ...chat, executing: !complete };
  const row: ChatMessage = {
    key: newRowKey(),
    messageId: null,
    label: streamingId ?? null,
    sequence: null,
    role: "assistant",
    blocks: withoutRepeated(chat.messages, chat.messages.length, streamingId, blocks),
    at,
    seenAt: now,
    streaming: !complete,
    delivery: null,
    foreign: false,
  };
  return { ...chat, messages: [...chat.messages, row], executing: !complete };
}

function grown(chat: Chat, at: number, { blocks, streamingId, complete }: Output): Chat {
  const row = chat.messages[at]!;
  const label = streamingId ?? row.label;
  const base = row.label !== null && label !== row.label ? row.blocks : row.base;
  const own = withoutRepeated(chat.messages, at, label, blocks);
  const next: ChatMessage = {
    ...row,
    label,
    blocks: own.length > 0 ? joined(base ?? [], own) : row.blocks,
    base: complete ? undefined : base,
    streaming: !complete,
  };
  return { ...chat, messages: replaced(chat.messages, at, next), executing: !complete };
}

/** A stop may come without what was said before it. */
const isStop = (blocks: ContentBlock[]): boolean => blocks.length > 0 && blocks.every(isCancel);

const isCancel = ({ kind }: ContentBlock): boolean => kind === "cancel";

function stopped(chat: Chat, at: number, stop: ContentBlock[]): Chat {
  const row = chat.messages[at]!;
  const said = row.blocks.map((block) => (block.kind === "tool" && block.status === "running" ? { ...block, status: "failed" as const } : block));
  const blocks = said.some(isCancel) ? said : [...said, ...stop];
  return { ...chat, messages: replaced(chat.messages, at, { ...row, blocks, base: undefined, streaming: false }), executing: false };
}

/** Without the whole of an earlier answer with the same label, where that stands at the beginning and something follows. */
function withoutRepeated(messages: ChatMessage[], end: number, label: string | undefined | null, blocks: ContentBlock[]): ContentBlock[] {
  const earlier = messages[answerAbove(messages, end, label)];
  if (!earlier || !label || !goesBy(earlier, label)) return blocks;
  const count = repeated(earlier, blocks);
  return count < blocks.length ? blocks.slice(count) : blocks;
}

/** Return how many of the first blocks are the whole of that answer, 0 if they are not. */
function repeated(earlier: ChatMessage, blocks: ContentBlock[]): number {
  const whole = [earlier.blocks, sent(earlier.blocks)].find((each) => each.every((block, at) => isSame(block, blocks[at])));
  return whole?.length ?? 0;
}

/** Blocks without those that come by messages of their own. */
const sent = (blocks: ContentBlock[]): ContentBlock[] => blocks.filter(({ kind }) => kind !== "voice_output" && kind !== "cancel");

/** The frames after a change of the label may repeat all that was said, the end of it, or nothing. */
function joined(base: ContentBlock[], blocks: ContentBlock[]): ContentBlock[] {
  const at = base.findIndex((_, index) => isBeginning(base.slice(index), blocks));
  return [...(at < 0 ? base : base.slice(0, at)), ...blocks];
}

/** Return whether an answer with the second blocks may have had the first ones on its way. */
function isBeginning(first: ContentBlock[], second: ContentBlock[]): boolean {
  return first.length > 0 && first.every((block, at) => (at === first.length - 1 ? isContinued(block, second[at]) : isSame(block, second[at])));
}

const isContinued = (block: ContentBlock, later: ContentBlock | undefined): boolean => isAkin(block, later) && later!.content.startsWith(block.content);

const isSame = (block: ContentBlock, other: ContentBlock | undefined): boolean => isAkin(block, other) && other!.content === block.content;

/** Ids of blocks may change from frame to frame, and two calls of one tool differ in their input. */
function isAkin(block: ContentBlock, other: ContentBlock | undefined): boolean {
  if (block.kind !== other?.kind) return false;
  return block.kind !== "tool" || other.kind !== "tool" || block.id === other.id || (block.name === other.name && block.input === other.input);
}
