/** What a reader sees of a message, as the searches compare it: words of blocks, Markdown's marks, places. Pure. */

import type { ContentBlock } from "../protocol/blocks";
import { comparable } from "./words";

/** A text as it is compared, and for each of its characters the place in the text as it was. */
export interface Comparable {
  text: string;
  places: number[];
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

const MARKS = /[*_`~]/g;

/** As written, and as Markdown shows it; both comparable. */
export function forms(text: string): [string, string] {
  const all = comparable(text);
  return [all, withoutMarks(all)];
}

export const withoutMarks = (text: string): string => text.replace(MARKS, "");

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

/** The texts in JSON, without the names of its fields; a text that is no JSON is one. */
export function stringsIn(text: string): string[] {
  const value = parse(text);
  return value === undefined ? [text] : leaves(value);
}

function leaves(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leaves);
  return value === null ? [] : [String(value)];
}

/** Return what the JSON text means; undefined: it is none. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
