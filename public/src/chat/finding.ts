/** How words are found in a conversation: without regard to case, accents, line breaks and marks of Markdown. */

import { useSyncExternalStore } from "react";
import type { ContentBlock } from "~/protocol/blocks";
import type { ChatMessage } from "~/store/state";
import { withoutAnsi } from "./ansi";
import { useMessage } from "./message";
import { stringsIn } from "./tools/toolText";

/** A text as it is compared, and for each of its characters the place in the text as it was. */
export interface Comparable {
  text: string;
  places: number[];
}

/** Return `text` in lower case, without accents, with one space for all space between two words. */
export function comparable(text: string): string {
  const plain = text.replace(/\s+/g, " ");
  // eslint-disable-next-line no-control-regex
  return (/^[\0-\x7f]*$/.test(plain) ? plain : plain.normalize("NFD").replace(ACCENTS, "")).toLowerCase();
}

/** As `comparable`, character by character. */
export function placed(text: string): Comparable {
  let out = "";
  const places: number[] = [];
  let at = 0;
  for (const character of text) {
    const now = comparable(character);
    if (!(now === " " && out.endsWith(" "))) {
      out += now;
      for (let count = now.length; count > 0; count -= 1) places.push(at);
    }
    at += character.length;
  }
  return { text: out, places };
}

const ACCENTS = /[\u0300-\u036f]/g;
const MARKS = /[*_`~]/g;

/** Whether the words, comparable already, stand in the text; as written, or as Markdown shows it. */
export function holds(text: string, words: string): boolean {
  return words !== "" && forms(text).some((form) => form.includes(words));
}

/** As written, and as Markdown shows it; both comparable. */
function forms(text: string): [string, string] {
  const all = comparable(withoutAnsi(text));
  return [all, all.replace(MARKS, "")];
}

/** The words of a block that a reader can see, opened or not. */
export function wordsOf(block: ContentBlock): string {
  if (block.kind === "tool") return `${block.name}\n${insideOf(block)}`;
  if (block.kind === "action_buttons") return [block.content, ...block.buttons.map(({ title }) => title)].join("\n");
  return block.content;
}

/** The words that a tool's line opens to. */
export function insideOf({ input, output, content }: { input: string; output: string; content: string }): string {
  return [...stringsIn(input), ...stringsIn(output), content].join("\n");
}

const texts = new WeakMap<ChatMessage, [string, string]>();

/** Whether the words, comparable already, stand in the message. */
export function inMessage(message: ChatMessage, words: string, thoughts: boolean): boolean {
  let known = texts.get(message);
  if (!known) {
    const seen = message.blocks.filter(({ kind }) => thoughts || kind !== "thinking");
    known = forms(seen.map(wordsOf).join("\n\n"));
    texts.set(message, known);
  }
  return known.some((text) => text.includes(words));
}

interface Found {
  key: string;
  words: string;
}

let found: Found | null = null;
const listeners = new Set<() => void>();

/** The message that the search shows now, and the words in it; null: there is none. */
export function setFound(now: Found | null): void {
  found = now;
  listeners.forEach((listener) => listener());
}

/** Whether the words that are searched in this message stand in `text`: what is folded away then opens. */
export function useFoundIn(text: () => string): boolean {
  const { key } = useMessage();
  const words = useSyncExternalStore(
    (changed) => (listeners.add(changed), () => listeners.delete(changed)),
    () => (found?.key === key ? found.words : ""),
  );
  return words !== "" && holds(text(), words);
}
