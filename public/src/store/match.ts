/** Tells whether two messages are the same one seen twice: live and in the history. */

import type { ContentBlock } from "../protocol/blocks";
import type { HistoryEntry } from "../protocol/messages";
import type { ChatMessage } from "./state";

/** The words of a message, for search, copying and comparing. */
export function plainText(blocks: ContentBlock[]): string {
  return blocks
    .filter((block) => block.kind === "text" || block.kind === "code" || block.kind === "voice_input" || block.kind === "error")
    .map((block) => block.content)
    .filter(Boolean)
    .join("\n\n");
}

/** A live message and its history entry may carry different ids; then the words decide. */
export function sameWords(message: ChatMessage, entry: HistoryEntry): boolean {
  if (message.sequence !== null || message.role !== entry.role) return false;
  const live = plainText(message.blocks).trim();
  const stored = plainText(entry.blocks).trim();
  if (live === stored) return live !== "" || message.blocks.length === entry.blocks.length;
  return message.role === "assistant" && live.length >= 20 && stored.startsWith(live);
}
