/** The few HTML tags that mean something in a text, as Markdown's own nodes; no HTML ever reaches the page. */

interface Node {
  type: string;
  value?: string;
  children?: Node[];
  data?: { hName: string };
}

const INLINE = /^<(kbd|sub|sup|mark|u)>$/i;
const SUMMARY = /<summary>([^<]*)<\/summary>/i;
/** What can be folded: its beginning at the start of a piece of HTML, and all beginnings and ends in it. */
const FOLD = /^<details\b[^<>]*>/i;
const FOLD_TAGS = /<(\/?)details\b[^<>]*>/gi;
/** Levels of nesting that are looked into. */
const DEEPEST = 50;

export function remarkTags() {
  return (tree: Node) => mend(tree, 0);
}

function mend(parent: Node, depth: number): void {
  if (!parent.children || depth > DEEPEST) return;
  const out: Node[] = [];
  const from = parent.children;
  for (let at = 0; at < from.length; at += 1) {
    const node = from[at]!;
    const tag = node.type === "html" ? (node.value ?? "").trim() : "";
    const name = INLINE.exec(tag)?.[1]?.toLowerCase();
    if (/^<br\s*\/?>$/i.test(tag)) out.push({ type: "emphasis", data: { hName: "br" }, children: [] });
    else if (name && from[at + 2]?.value?.toLowerCase() === `</${name}>`) {
      out.push({ type: "emphasis", data: { hName: name }, children: [from[at + 1]!] });
      at += 2;
    } else if (FOLD.test(tag)) {
      const end = endOfFold(from, at);
      const made = fold(tag, from.slice(at + 1, end), from[end]?.value);
      mend(made[0]!, depth + 1);
      out.push(...made);
      at = end;
      continue;
    } else out.push(node);
    mend(node, depth + 1);
  }
  parent.children = out;
}

/** The place among the siblings where what begins at `at` ends; behind the last one while it is still being written. */
function endOfFold(siblings: Node[], at: number): number {
  let open = 0;
  for (let end = at; end < siblings.length; end += 1) {
    const { type, value = "" } = siblings[end]!;
    for (const [, close] of type === "html" ? value.matchAll(FOLD_TAGS) : []) open += close ? -1 : 1;
    if (open <= 0) return end;
  }
  return siblings.length;
}

/** A fold with its summary, and whatever stands beside the tags in the same pieces of HTML, as text. */
function fold(tag: string, inner: Node[], last = ""): Node[] {
  const summary = SUMMARY.exec(tag)?.[1]?.trim();
  const opening = tag.replace(SUMMARY, "");
  const [before, after] = last.trim() === tag ? aroundEnd(opening) : aroundEnd(last);
  const head = summary ? [{ ...paragraph(summary), data: { hName: "summary" } }] : [];
  const body = [...(last.trim() === tag ? [] : textOf(plain(opening))), ...inner, ...textOf(before)];
  return [{ type: "blockquote", data: { hName: "details" }, children: [...head, ...body] }, ...textOf(after)];
}

/** The texts before and after the last end of a fold. */
function aroundEnd(html: string): [string, string] {
  const end = html.toLowerCase().lastIndexOf("</details");
  return end < 0 ? [plain(html), ""] : [plain(html.slice(0, end)), plain(html.slice(end))];
}

const plain = (html: string): string => html.replace(FOLD_TAGS, "").trim();
const textOf = (words: string): Node[] => (words ? [paragraph(words)] : []);
const paragraph = (words: string): Node => ({ type: "paragraph", children: [{ type: "text", value: words }] });
