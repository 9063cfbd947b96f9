/** Markdown, without anything that could run, load from elsewhere or lead somewhere unseen. */

import { memo, useEffect, useMemo, useState, type ComponentProps, type ReactNode } from "react";
import ReactMarkdown, { defaultUrlTransform, type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { remarkTags } from "./remarkTags";
import { chat as words } from "~/text/chat";
import { CodeBlock } from "./CodeBlock";
import { inDollars, mayHoldFormulas } from "./formulas";
import { PathButton } from "./PathButton";
import { splitMarkdown } from "./splitMarkdown";

export default function Markdown({ text, streaming }: { text: string; streaming: boolean }) {
  const pieces = useMemo(() => splitMarkdown(text), [text]);
  return (
    <div className="prose-chat">
      {pieces.map((piece, index) => (
        <Piece key={index} text={piece} live={streaming && index === pieces.length - 1} />
      ))}
    </div>
  );
}

/** While an answer grows only its last piece is read anew. */
const Piece = memo(function Piece({ text, live }: { text: string; live: boolean }) {
  // Half a formula is none.
  const math = useMath(!live && mayHoldFormulas(text));
  return (
    <ReactMarkdown remarkPlugins={math ? [...PLUGINS, ...math.mathPlugins] : PLUGINS} components={live ? LIVE : STILL} urlTransform={allowed}>
      {math ? inDollars(text) : text}
    </ReactMarkdown>
  );
});

let loadedMath: typeof import("./math") | null = null;

/** What draws formulas, loaded at the first wish; null until then, and without a network. */
function useMath(wanted: boolean): typeof loadedMath {
  const [, setLoaded] = useState(loadedMath !== null);
  useEffect(() => {
    if (!wanted || loadedMath) return;
    let gone = false;
    void import("./math")
      .then((math) => ((loadedMath = math), gone || setLoaded(true)))
      .catch(() => {});
    return () => void (gone = true);
  }, [wanted]);
  return wanted ? loadedMath : null;
}

/** A picture that is in the text itself: it asks nobody for anything. */
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,/i;

/** Characters of a picture's address: a larger one is many megabytes to unpack for a glance. */
const PICTURE_MOST = 4_000_000;

const isPicture = (url: string): boolean => url.length <= PICTURE_MOST && PICTURE.test(url);

const allowed = (url: string, attribute: string): string => (attribute === "src" && isPicture(url) ? url : defaultUrlTransform(url));

const PLUGINS = [remarkGfm, remarkTags];

/** Only whole addresses: one within this app could pair or switch without being seen to. */
function Link({ href, children }: ComponentProps<"a">) {
  if (!href || !/^(https?:|mailto:)/i.test(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>
      {children}
    </a>
  );
}

/** A picture from elsewhere would tell its host who reads; it becomes a link. */
function Image({ src, alt }: ComponentProps<"img">) {
  if (typeof src !== "string" || !isPicture(src)) return <Link href={typeof src === "string" ? src : undefined}>{alt || words.image}</Link>;
  return <img src={src} alt={alt || words.image} className="my-1 block max-h-96 max-w-full rounded-lg border border-line" />;
}

/** All of one level to a screen reader: the message stands in a page that has levels of its own. */
const heading = (depth: number) =>
  function Heading({ children }: { children?: ReactNode }) {
    return (
      <h2 dir="auto" className="heading" data-depth={Math.min(depth, 3)}>
        {children}
      </h2>
    );
  };

const HEADINGS = { h1: heading(1), h2: heading(2), h3: heading(3), h4: heading(4), h5: heading(5), h6: heading(6) };

/** A path that one would open: from a root, or to a file with an ending; a line number may follow. */
const PATH = /^(?:(?:~|\.{1,2})?\/[\w.@+-]+(?:\/[\w.@+-]+)*|[\w@+-][\w.@+-]*(?:\/[\w.@+-]+)*\/[\w@+-]+\.\w{1,8})(?::\d+){0,2}$/;

const components = (live: boolean): Components => ({
  ...HEADINGS,
  // Each block is set in the direction of its own first letter, as each cell of a table is.
  p: ({ children }) => <p dir="auto">{children}</p>,
  ul: ({ children, className }) => <ul dir="auto" className={className}>{children}</ul>,
  ol: ({ children, className, start }) => <ol dir="auto" className={className} start={start}>{children}</ol>,
  li: ({ children, className }) => <li dir="auto" className={className}>{children}</li>,
  blockquote: ({ children }) => <blockquote dir="auto">{children}</blockquote>,
  summary: ({ children }) => <summary dir="auto">{children}</summary>,
  a: Link as Components["a"],
  img: Image as Components["img"],
  input: ({ checked }) => <input type="checkbox" checked={checked === true} disabled readOnly aria-label={checked ? words.done : words.toDo} />,
  table: ({ children }) => (
    <div className="table-scroll fade-inline" tabIndex={0} role="group" aria-label={words.table}>
      <table dir="auto">{children}</table>
    </div>
  ),
  pre: ({ children }) => <>{children}</>,
  code: ({ className, children }) => {
    const content = textOf(children);
    const formula = loadedMath?.formulaOf(className, content);
    if (formula) return formula;
    const language = /language-(\S+)/.exec(className ?? "")?.[1];
    if (language === undefined && !content.endsWith("\n")) return <code>{PATH.test(content) ? <PathButton path={content} /> : children}</code>;
    return <CodeBlock code={content.replace(/\n$/, "")} language={language ?? ""} live={live} />;
  },
});

const LIVE = components(true);
const STILL = components(false);

function textOf(children: ReactNode): string {
  if (typeof children === "string") return children;
  return Array.isArray(children) ? children.map(textOf).join("") : "";
}
