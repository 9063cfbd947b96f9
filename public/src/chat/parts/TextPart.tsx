/** Text: Markdown from agents, plain from people. */

import { lazy, Suspense } from "react";

const Markdown = lazy(() => import("../Markdown"));

/** Without any of these there is nothing to mark up, and the reader of it need not be loaded. */
const MARKUP = /[*_`#[\]<>|~\\]|^\s*([-+]|\d+[.)])\s|https?:|\n\n/m;

export function TextPart({ text, status }: { text: string; status?: { type: string } }) {
  if (!MARKUP.test(text)) return <PlainText text={text} />;
  return (
    <Suspense fallback={<PlainText text={text} />}>
      <Markdown text={text} streaming={status?.type === "running"} />
    </Suspense>
  );
}

export function PlainText({ text }: { text: string }) {
  return <p dir="auto" className="whitespace-pre-wrap">{text}</p>;
}
