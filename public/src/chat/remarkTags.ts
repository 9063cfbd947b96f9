/** The few HTML tags that mean something in a text, as Markdown's own nodes; no HTML ever reaches the page. */

interface Node {
  type: string;
  value?: string;
  children?: Node[];
  data?: { hName: string };
}

const INLINE = /^<(kbd|sub|sup|mark|u)>$/i;
const SUMMARY = /<summary>([^<]*)<\/summary>/i;
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
    } else if (/^<\/?details\b[^<>]*>/i.test(tag)) out.push(...shownOpen(tag));
    else out.push(node);
    mend(node, depth + 1);
  }
  parent.children = out;
}

/** What can be folded is shown open: its summary in bold, then whatever else stands in the same piece of HTML. */
function shownOpen(tag: string): Node[] {
  const summary = SUMMARY.exec(tag)?.[1]?.trim();
  const rest = tag.replace(SUMMARY, "").replace(/<\/?details\b[^<>]*>/gi, "").trim();
  return [...(summary ? [paragraph({ type: "strong", children: [{ type: "text", value: summary }] })] : []), ...(rest ? [paragraph({ type: "text", value: rest })] : [])];
}

const paragraph = (child: Node): Node => ({ type: "paragraph", children: [child] });
