/** Formulas, drawn by the browser itself (MathML): no fonts, no styles. Loaded with the first message that has any. */

import katex from "katex";
import { useLayoutEffect, useRef, useState } from "react";
import type { Options } from "react-markdown";
import remarkMath from "remark-math";
import { chat as words } from "~/text/chat";
import { IN_LINE } from "./formulas";

/** Characters of a formula; a longer one is shown as written. */
const LONGEST = 5_000;

interface Node {
  type: string;
  position?: { start: { offset?: number } };
  data?: { hProperties?: { className?: string[] } };
  children?: Node[];
}

/** A formula in two dollars has a line of its own, wherever it stands. */
function ownLines() {
  return (tree: Node, file: unknown) => {
    const source = String(file);
    const visit = (node: Node): void => {
      if (node.type === "inlineMath" && !source.startsWith(IN_LINE, node.position?.start.offset ?? 0)) {
        node.data = { ...node.data, hProperties: { className: ["math-display"] } };
      }
      node.children?.forEach(visit);
    };
    visit(tree);
  };
}

export const mathPlugins: NonNullable<Options["remarkPlugins"]> = [[remarkMath, { singleDollarTextMath: false }], ownLines];

/** The formula with this class in place of code; null: it is code. */
export function formulaOf(className: string | undefined, tex: string) {
  const display = className?.includes("math-display") ?? false;
  return display || className?.includes("math-inline") ? <Formula key={tex} tex={tex.trim()} display={display} /> : null;
}

function Formula({ tex, display }: { tex: string; display: boolean }) {
  const host = useRef<HTMLSpanElement>(null);
  const [wrong, setWrong] = useState(tex.length > LONGEST);
  useLayoutEffect(() => {
    if (!host.current) return;
    try {
      // No command that links, loads or sets attributes; macros and sizes are bounded.
      katex.render(tex, host.current, { displayMode: display, output: "mathml", trust: false, strict: "ignore", maxExpand: 200, maxSize: 20, errorColor: "currentcolor" });
    } catch {
      setWrong(true);
    }
  }, [tex, display]);
  if (wrong) return <code>{tex}</code>;
  if (!display) return <span ref={host} dir="ltr" />;
  return <span ref={host} dir="ltr" tabIndex={0} role="group" aria-label={words.formula} className="fade-inline my-2 block overflow-x-auto overflow-y-hidden py-1" />;
}
