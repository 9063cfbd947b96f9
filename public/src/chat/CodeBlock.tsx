/** Code: copied with one touch, coloured when it is whole. */

import { useEffect, useState, type ReactNode } from "react";
import { useCopy } from "~/app/clipboard";
import { chat as text } from "~/text/chat";
import { common } from "~/text/common";
import { Icon } from "~/ui/icons";
import { beginning } from "./beginning";
import { AnsiText } from "./AnsiText";
import { hasControls, withoutAnsi } from "./ansi";
import type { Token } from "./highlight";

/** Lines from which a block has a bar above it; a shorter one has room for a copy button only. */
const BAR_FROM = 4;

/** Longer code is shown without colours. */
const COLOURED_MOST = 30_000;

interface CodeBlockProps {
  code: string;
  language: string;
  /** Still growing. */
  live?: boolean;
}

export function CodeBlock({ code, language, live = false }: CodeBlockProps) {
  const [wrap, setWrap] = useState(false);
  const { done, copy } = useCopy();
  const tokens = useColours(code, language, live);
  const few = lines(code) < BAR_FROM;
  return (
    <figure className="relative my-2.5 overflow-hidden rounded-xl border border-line bg-sunken">
      <figcaption className={`flex h-10 select-none items-center gap-0.5 text-xs text-muted ${few ? "absolute top-0.5 right-0.5 rounded-xl bg-sunken" : "border-b border-line pr-1 pl-3.5"}`}>
        {!few && <span className="flex-1 truncate font-mono">{language || "text"}</span>}
        {!few && <Small icon="wrap" label={text.wrap} pressed={wrap} onClick={() => setWrap(!wrap)} />}
        <Small icon={done ? "check" : "copy"} label={done ? common.copied : text.copyCode(beginning(code))} onClick={() => copy(withoutAnsi(code))}>
          {done && common.copied}
        </Small>
      </figcaption>
      <pre dir="ltr" tabIndex={0} className={`fade-inline overflow-x-auto py-3 pl-3.5 ${few ? "pr-14" : "pr-3.5"} font-mono text-[0.8125rem] leading-relaxed ${wrap ? "whitespace-pre-wrap" : "[overflow-wrap:normal]"}`}>
        <code>{tokens ? tokens.map(draw) : <AnsiText text={code} />}</code>
      </pre>
    </figure>
  );
}

function lines(code: string): number {
  let count = 1;
  for (let at = code.indexOf("\n"); at >= 0 && count < BAR_FROM; at = code.indexOf("\n", at + 1)) count += 1;
  return count;
}

function draw(token: Token, index: number) {
  if (typeof token === "string") return token;
  return (
    <span key={index} className={token.className}>
      {token.children.map(draw)}
    </span>
  );
}

function useColours(code: string, language: string, live: boolean): Token[] | null {
  const [coloured, setColoured] = useState<{ code: string; tokens: Token[] } | null>(null);
  const wanted = !live && language !== "" && code.length <= COLOURED_MOST && !hasControls(code);
  useEffect(() => {
    if (!wanted) return;
    let gone = false;
    void import("./highlight")
      .then(({ highlight }) => !gone && setColoured({ code, tokens: highlight(code, language) }))
      .catch(() => {});
    return () => void (gone = true);
  }, [code, language, wanted]);
  return wanted && coloured?.code === code ? coloured.tokens : null;
}

interface SmallProps {
  icon: "wrap" | "copy" | "check";
  label: string;
  pressed?: boolean;
  onClick(): void;
  children?: ReactNode;
}

function Small({ icon, label, pressed, onClick, children }: SmallProps) {
  return (
    <button
      type="button"
      aria-label={label}
      aria-pressed={pressed}
      title={label}
      onClick={onClick}
      className="relative flex h-9 min-w-11 items-center justify-center gap-1.5 rounded-lg px-1.5 before:absolute before:inset-x-0 before:-inset-y-1 hover:bg-hover hover:text-text aria-pressed:text-accent"
    >
      <Icon name={icon} size={16} />
      {children}
    </button>
  );
}
