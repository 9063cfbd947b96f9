/** What a chat has to say in a list: its last words, and whether it works, needs you, is done or has failed. */

import type { ContentBlock } from "../protocol/blocks";
import { withoutControls } from "../protocol/controls";
import type { HistoryEntry } from "../protocol/messages";
import { plainText } from "./match";
import type { ChatKey, ChatMessage, State } from "./state";

/** How an answer ended. `asks`: with a question or with buttons to choose from. */
export type Outcome = "asks" | "failed" | "stopped" | "said";

export interface Summary {
  /** The last words, one line. */
  words: string;
  role: ChatMessage["role"];
  outcome: Outcome;
  at: number;
}

export type Attention = "working" | "needs-you" | "failed" | "done" | "none";

const WORDS_MOST = 140;
/** A question mark of any script, behind it at most quotes, brackets, Markdown's marks and an emoji. */
const QUESTION = /[?？؟⸮;՞]["'”’»)\]*_`~\s\p{Extended_Pictographic}\uFE0F]*$/u;

export function attentionOf(state: State, key: ChatKey): Attention {
  const session = state.sessions.get(key);
  if (session?.type === "terminal") return "none";
  if (state.chats.get(key)?.executing ?? session?.status === "busy") return "working";
  const last = state.summaries.get(key);
  if (last?.role !== "user" && last?.outcome === "asks") return "needs-you";
  if (!state.unread.get(key)) return "none";
  return last?.outcome === "failed" ? "failed" : "done";
}

export function outcomeOf(blocks: ContentBlock[]): Outcome {
  if (blocks.some((block) => block.kind === "cancel")) return "stopped";
  if (blocks.some((block) => block.kind === "action_buttons" && block.buttons.some((button) => button.action.startsWith("send:")))) return "asks";
  const last = blocks.findLast(({ kind }) => kind !== "voice_output" && kind !== "status");
  if (last?.kind === "error") return "failed";
  return last?.kind === "text" && QUESTION.test(last.content.trimEnd()) ? "asks" : "said";
}

const known = new WeakMap<ChatMessage | HistoryEntry, Summary>();

/** Of the last message that is whole; undefined when there is none. */
export function summaryOf(messages: readonly (ChatMessage | HistoryEntry)[]): Summary | undefined {
  const last = messages.findLast((message) => !("streaming" in message && message.streaming));
  if (!last) return undefined;
  const summary = known.get(last) ?? {
    words: oneLine(plainText(last.blocks)),
    role: last.role,
    outcome: last.role === "user" ? "said" : outcomeOf(last.blocks),
    at: last.at,
  };
  known.set(last, summary);
  return summary;
}

/** Markdown as one short line of plain text. */
export function oneLine(markdown: string, longest = WORDS_MOST): string {
  const plain = withoutControls(markdown.slice(0, longest * 20))
    .replace(/```[\s\S]*?(?:```|$)/g, " … ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[*`#>~|]+|(?<![\p{L}\p{N}])_+|_+(?![\p{L}\p{N}])/gu, "")
    .replace(/\s+/g, " ")
    .trim();
  const letters = Array.from(plain);
  return letters.length > longest ? `${letters.slice(0, longest - 1).join("")}…` : plain;
}

/** When something last happened in it; a chat that nothing is known of is as old as its session. */
export function activityOf(state: Pick<State, "summaries" | "sessions">, key: ChatKey): number {
  return state.summaries.get(key)?.at ?? state.sessions.get(key)?.createdAt ?? 0;
}
