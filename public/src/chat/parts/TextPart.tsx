/** Text: Markdown from agents, plain from people. */

import type { PartProps } from "./index";
import { Folded } from "../Folded";
import { proseWithoutAnsi, withoutAnsi } from "../ansi";
import { linked } from "../linked";
import { markdown } from "../load";

/** Without any of these there is nothing to mark up. */
const MARKUP = /[*_`#[\]<>|~\\]|^\s*([-+]|\d+[.)])\s|https?:|www\.|\n\n/m;

export function TextPart({ data: { content }, running }: PartProps) {
  const text = proseWithoutAnsi(content);
  const Markdown = markdown();
  if (!Markdown || !MARKUP.test(text)) return <PlainText text={text} />;
  return <Markdown text={text} streaming={running} />;
}

export function PlainText({ text }: { text: string }) {
  return <p dir="auto" className="whitespace-pre-wrap">{text}</p>;
}

/** What a person wrote, as written; a long paste in part, addresses as links. */
export function OwnText({ data }: PartProps) {
  return <Folded text={withoutAnsi(data.content)}>{(part) => <p dir="auto" className="whitespace-pre-wrap">{linked(part)}</p>}</Folded>;
}
