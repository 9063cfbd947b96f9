/** Finds words in the messages that are loaded. */

import { useEffect, useMemo, useState } from "react";
import { plainText } from "~/store/match";
import { chat as text } from "~/text/chat";
import { common } from "~/text/common";
import { IconButton } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import { mark } from "./mark";
import type { Row } from "./rows";

interface SearchBarProps {
  rows: Row[];
  onReveal(key: string): void;
  onClose(): void;
}

export function SearchBar({ rows, onReveal, onClose }: SearchBarProps) {
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const found = useMemo(() => find(rows, wanted), [rows, wanted]);
  const key = found[at];

  // From the newest backwards, as one remembers.
  const type = (words: string) => {
    setWanted(words);
    setAt(Math.max(0, find(rows, words).length - 1));
  };
  const step = (by: number) => found.length > 0 && setAt((at + by + found.length) % found.length);

  useEffect(() => {
    if (!key) return mark("", null);
    onReveal(key);
    const timer = setTimeout(() => mark(wanted, key), 120);
    return () => clearTimeout(timer);
    // `onReveal` is new on each render; the hit and the words are what count.
  }, [key, wanted]);
  useEffect(() => () => mark("", null), []);

  return (
    <div role="search" className="flex items-center gap-1 border-b border-line bg-sunken py-1 pr-1 pl-4">
      <Icon name="search" size={17} className="text-muted" />
      <input
        type="search"
        autoFocus
        value={wanted}
        aria-label={text.search}
        placeholder={text.searchPlaceholder}
        onChange={(event) => type(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") step(event.shiftKey ? 1 : -1);
          if (event.key === "Escape") (event.preventDefault(), onClose());
        }}
        className="h-11 min-w-0 flex-1 bg-transparent px-2 text-base outline-none placeholder:text-muted [&::-webkit-search-cancel-button]:hidden"
      />
      <span role="status" className="shrink-0 text-xs text-muted">
        {wanted && (found.length > 0 ? text.searchCount(at + 1, found.length) : text.searchNone)}
      </span>
      <IconButton icon="up" size={18} label={text.previous} disabled={found.length === 0} onClick={() => step(-1)} />
      <IconButton icon="down" size={18} label={text.next} disabled={found.length === 0} onClick={() => step(1)} />
      <IconButton icon="close" size={18} label={common.close} onClick={onClose} />
    </div>
  );
}

function find(rows: Row[], wanted: string): string[] {
  const words = wanted.trim().toLowerCase();
  if (!words) return [];
  return rows.filter((row) => plainText(row.message.blocks).toLowerCase().includes(words)).map((row) => row.message.key);
}
