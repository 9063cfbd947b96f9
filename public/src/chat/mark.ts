/** Marks found words in the page without touching it, where the browser can. */

import { placed } from "~/store/reading";
import { comparable } from "~/store/words";

interface Highlights {
  set(name: string, highlight: unknown): void;
  delete(name: string): void;
}

export function mark(words: string, key: string | null): void {
  const highlights = (CSS as unknown as { highlights?: Highlights }).highlights;
  const Highlight = (window as unknown as { Highlight?: new (...ranges: Range[]) => unknown }).Highlight;
  if (!highlights || !Highlight) return;
  highlights.delete("found");
  const root = key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const wanted = comparable(words.trim());
  if (!root || !wanted) return;
  highlights.set("found", new Highlight(...ranges(root, wanted)));
}

/** Over the borders of elements: half of a word may be bold, or a code's colour change within it. */
function ranges(root: Element, words: string): Range[] {
  const nodes: { node: Node; from: number }[] = [];
  let all = "";
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push({ node, from: all.length });
    all += node.nodeValue ?? "";
  }
  const { text, places } = placed(all);
  const found: Range[] = [];
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
    const range = new Range();
    const [from, to] = [places[at]!, places[at + words.length] ?? all.length];
    const [first, last] = [nodes.findLast((each) => each.from <= from)!, nodes.findLast((each) => each.from < to)!];
    range.setStart(first.node, from - first.from);
    range.setEnd(last.node, to - last.from);
    found.push(range);
  }
  return found;
}
