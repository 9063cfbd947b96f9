/** How words are found in a conversation: without regard to case, accents, line breaks and marks of Markdown. */

import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import type { ChatMessage } from "~/store/state";
import { forms, wordsOf } from "~/store/reading";
import { withoutAnsi } from "./ansi";
import { useMessage } from "./message";

/** Whether the words, comparable already, stand in the text; as written, or as Markdown shows it. */
export function holds(text: string, words: string): boolean {
  return words !== "" && forms(withoutAnsi(text)).some((form) => form.includes(words));
}

const texts = new WeakMap<ChatMessage, [string, string]>();

/** Whether the words, comparable already, stand in the message. */
export function inMessage(message: ChatMessage, words: string, thoughts: boolean): boolean {
  let known = texts.get(message);
  if (!known) {
    const seen = message.blocks.filter(({ kind }) => thoughts || kind !== "thinking");
    known = forms(withoutAnsi(seen.map(wordsOf).join("\n\n")));
    texts.set(message, known);
  }
  return known.some((text) => text.includes(words));
}

interface Found {
  key: string;
  words: string;
}

const search = createStore<{ found: Found | null }>(() => ({ found: null }));

/** The message that the search shows now, and the words in it; null: there is none. */
export const setFound = (found: Found | null): void => search.setState({ found });

/** Whether the words that are searched in this message stand in `text`: what is folded away then opens. */
export function useFoundIn(text: () => string): boolean {
  const { key } = useMessage();
  const words = useStore(search, ({ found }) => (found?.key === key ? found.words : ""));
  return words !== "" && holds(text(), words);
}
