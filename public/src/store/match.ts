/** Tells whether two messages are the same one seen twice: live and in the history. */

import type { ContentBlock } from "../protocol/blocks";
import type { HistoryEntry } from "../protocol/messages";
import type { ChatMessage } from "./state";

/** How far this device's clock and the workstation's may be apart; milliseconds. */
export const SKEW = 60_000;

let rows = 0;

/** A key that no other row of this page has, whatever ids arrive. */
export const newRowKey = (): string => `row-${(rows += 1)}`;

/** The words of a message, for search, copying and comparing. */
export function plainText(blocks: ContentBlock[]): string {
  return blocks
    .filter((block) => block.kind === "text" || block.kind === "code" || block.kind === "voice_input" || block.kind === "error")
    .map((block) => block.content)
    .filter(Boolean)
    .join("\n\n");
}

/** A message as Markdown, for copying: code keeps its fences and languages, replies that were offered their question. */
export function markdownOf(blocks: ContentBlock[]): string {
  return blocks
    .filter(({ kind }) => COPIED.has(kind))
    .map((block) => (block.kind === "code" ? fenced(block.content, block.language) : block.content))
    .filter(Boolean)
    .join("\n\n");
}

const COPIED = new Set<ContentBlock["kind"]>(["text", "code", "voice_input", "error", "action_buttons"]);

/** Code in a fence that is longer than any fence inside. */
export function fenced(code: string, language: string): string {
  const inside = code.match(/^ {0,3}`{3,}/gm) ?? [];
  const fence = "`".repeat(Math.max(3, ...inside.map((each) => each.trim().length + 1)));
  return `${fence}${language}\n${code.replace(/\n$/, "")}\n${fence}`;
}

/** A live message and its history entry may carry different ids; then the words decide. */
export function sameWords(message: ChatMessage, entry: HistoryEntry): boolean {
  if (message.sequence !== null || message.role !== entry.role) return false;
  if (sameStop(message, entry) || sameVoice(message, entry)) return true;
  const live = plainText(message.blocks).trim();
  const stored = plainText(entry.blocks).trim();
  if (live === stored) return live !== "" || message.blocks.length === entry.blocks.length;
  return message.role === "assistant" && live.length >= 20 && stored.startsWith(live);
}

/** Whether a live answer can be the entry whose id is its label: two answers with one label say different things. */
export function fits(message: ChatMessage, entry: HistoryEntry): boolean {
  if (message.sequence !== null || message.role === "user" || entry.role === "user") return false;
  const live = plainText(message.blocks).trim();
  const stored = plainText(entry.blocks).trim();
  // Of an answer whose label changed the history may have the end alone.
  return stored.startsWith(live) || live.startsWith(stored) || live.endsWith(stored);
}

/** A recording of ours whose words never came: the history has them, under an id of its own. */
function sameVoice({ blocks: [block], delivery, at }: ChatMessage, entry: HistoryEntry): boolean {
  return delivery === "received" && block?.kind === "voice_input" && block.content === "" && entry.at >= at - SKEW && entry.blocks.some(({ kind }) => kind === "voice_input");
}

/** A stop is known by its block: the history keeps nothing else of a stopped answer. */
function sameStop({ blocks }: ChatMessage, entry: HistoryEntry): boolean {
  const stop = entry.blocks.length === 1 && entry.blocks[0]?.kind === "cancel" ? entry.blocks[0].id : null;
  return stop !== null && blocks.some((block) => block.kind === "cancel" && block.id === stop);
}
