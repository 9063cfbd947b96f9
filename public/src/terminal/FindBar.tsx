/** Finds words in a terminal's scrollback, from the newest line backwards. The screen keeps its size. */

import { type ISearchOptions, SearchAddon } from "@xterm/addon-search";
import type { Terminal } from "@xterm/xterm";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { find as text } from "~/text/find";
import { FindRow } from "~/ui/FindRow";
import { pageIsDark } from "./themes";

/** Matches that are counted and marked; beyond them a search still steps from one to the next. */
const MARKED_MOST = 1_000;
/** The addon takes no other notation of a colour. */
const COLOURS = {
  light: { match: "#ffe9a3", active: "#ffb454" },
  dark: { match: "#5c4d12", active: "#a34e08" },
};

function look(): ISearchOptions {
  const { match, active } = COLOURS[pageIsDark() ? "dark" : "light"];
  return { decorations: { matchBackground: match, matchOverviewRuler: match, activeMatchBackground: active, activeMatchColorOverviewRuler: active } };
}

interface FindBarProps {
  terminal: Terminal;
  close(): void;
}

interface Found {
  at: number;
  of: number;
}

export default function FindBar({ terminal, close }: FindBarProps) {
  const [wanted, setWanted] = useState("");
  const [found, setFound] = useState<Found | null>(null);
  const search = useRef<SearchAddon | null>(null);
  useEffect(() => {
    const addon = new SearchAddon({ highlightLimit: MARKED_MOST });
    terminal.loadAddon(addon);
    addon.onDidChangeResults(({ resultIndex, resultCount }) => setFound({ at: resultIndex + 1, of: resultCount }));
    search.current = addon;
    return () => {
      search.current = null;
      addon.clearDecorations();
      addon.dispose();
      terminal.clearSelection();
    };
  }, [terminal]);

  const type = (words: string): void => {
    setWanted(words);
    setFound(null);
    // Without a selection the search begins at the newest line.
    terminal.clearSelection();
    if (words === "") search.current?.clearDecorations();
    else older(words);
  };
  const older = (words = wanted): void => (search.current?.findPrevious(words, look()), fromUnderBar(terminal));
  const newer = (): void => (search.current?.findNext(wanted, look()), fromUnderBar(terminal));
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  const some = wanted !== "" && found !== null && found.of > 0;
  return (
    <div role="search" className="terminal-find" onKeyDown={onKeyDown}>
      <FindRow
        label={text.search}
        dir="auto"
        placeholder={text.placeholder}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        wanted={wanted}
        onWanted={type}
        status={wanted !== "" && found ? words(found) : ""}
        none={!some}
        older={{ label: text.older, go: () => older() }}
        newer={{ label: text.newer, go: newer }}
        onClose={close}
      />
      {wanted !== "" && found?.of === 0 && <p className="pr-2 pb-2 pl-4 text-xs text-muted">{text.searched(terminal.buffer.active.length)}</p>}
    </div>
  );
}

/** Rows that the bar may cover. */
const COVERED = 3;

/** Scrolls a match down that stands under this bar. */
function fromUnderBar(terminal: Terminal): void {
  const match = terminal.getSelectionPosition();
  if (match && match.start.y - terminal.buffer.active.viewportY < COVERED) terminal.scrollLines(-COVERED);
}

function words({ at, of }: Found): string {
  if (of === 0) return text.none;
  // Past the marked ones the addon does not say which match it stands at.
  return at === 0 || of >= MARKED_MOST ? text.many(of) : text.count(at, of);
}
