/** Marks found words in the page without touching it, where the browser can. */

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
  if (!root || !words.trim()) return;
  highlights.set("found", new Highlight(...ranges(root, words.trim().toLowerCase())));
}

function ranges(root: Element, words: string): Range[] {
  const found: Range[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.nodeValue?.toLowerCase() ?? "";
    for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + words.length);
      found.push(range);
    }
  }
  return found;
}
