/** Finds words in a conversation, also in what is not loaded yet. */

import { useEffect, useMemo, useRef, useState } from "react";
import { client, useClient } from "~/app/client";
import { useUsable } from "~/app/usable";
import { chat as text } from "~/text/chat";
import { errors } from "~/text/common";
import { FindRow } from "~/ui/FindRow";
import { Spinner } from "~/ui/icons";
import { comparable } from "~/store/words";
import { inMessage, setFound } from "./finding";
import { mark } from "./mark";
import type { Row } from "./rows";

interface SearchBarProps {
  chatKey: string;
  rows: Row[];
  hasOlder: boolean;
  onReveal(key: string): void;
  onClose(): void;
}

/** A pause in typing after which older messages are fetched; milliseconds. */
const PAUSE = 400;

export function SearchBar({ chatKey, rows, hasOlder, onReveal, onClose }: SearchBarProps) {
  const [wanted, setWanted] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  const thoughts = useClient((state) => state.settings.showThinking);
  const found = useMemo(() => find(rows, wanted, thoughts), [rows, wanted, thoughts]);
  // From the newest backwards, as one remembers; older ones that come in later change nothing of the choice.
  const at = chosen !== null && found.includes(chosen) ? found.indexOf(chosen) : found.length - 1;
  const key = found[at];
  const ended = useClient((state) => state.ended.has(chatKey));
  const usable = useUsable();
  const older = useOlder(chatKey, wanted, hasOlder && !ended && usable);

  const type = (words: string) => {
    setWanted(words);
    setChosen(null);
  };
  const step = (by: number): void => {
    if (found.length > 0) setChosen(found[(at + by + found.length) % found.length]!);
  };

  useEffect(() => {
    setFound(key ? { key, words: comparable(wanted.trim()) } : null);
    if (!key) return mark("", null);
    // What is shown stays: an answer that comes meanwhile may have the words too.
    setChosen(key);
    onReveal(key);
    const timer = setTimeout(() => mark(wanted, key), 120);
    return () => clearTimeout(timer);
    // `onReveal` is new on each render; the hit and the words are what count.
  }, [key, wanted]);
  useEffect(() => () => (setFound(null), mark("", null)), []);

  return (
    <div
      role="search"
      className="border-b border-line bg-sunken"
      onKeyDown={(event) => {
        // From its buttons too: elsewhere Escape stops the agent.
        if (event.key === "Escape") (event.preventDefault(), onClose());
      }}
    >
      <FindRow
        label={text.search}
        placeholder={text.searchPlaceholder}
        dir="auto"
        wanted={wanted}
        onWanted={type}
        status={wanted && (found.length > 0 ? text.searchCount(at + 1, found.length) : older.busy ? text.searching : text.searchNone)}
        none={found.length === 0}
        older={{ label: text.previous, go: () => step(-1) }}
        newer={{ label: text.next, go: () => step(1) }}
        onClose={onClose}
      />
      {wanted.trim() !== "" && hasOlder && (
        <div className="flex min-h-11 items-center gap-2 pr-2 pl-4 text-xs text-muted">
          <span className="flex-1 py-1.5">
            {text.searchedLast(rows.length)}
            {ended ? ` ${text.olderGone}` : !usable && ` ${errors.offline}`}
          </span>
          {older.busy && <Spinner size={16} />}
          {/* It stays in its place while it works, so that it keeps the focus and the next press is not a double press. */}
          {!ended && usable && (
            <button
              type="button"
              aria-disabled={older.busy}
              className="min-h-11 rounded-lg px-3 font-medium text-accent hover:bg-hover aria-disabled:opacity-50"
              onClick={() => !older.busy && older.more()}
            >
              {text.searchOlder}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Fetches older messages once the words stand, and more of them when asked. */
function useOlder(chatKey: string, wanted: string, hasOlder: boolean): { busy: boolean; more(): void } {
  const [busy, setBusy] = useState(false);
  const live = useRef(0);
  const more = () => {
    const turn = (live.current += 1);
    setBusy(true);
    void client.loadMany(chatKey, () => live.current === turn).finally(() => live.current === turn && setBusy(false));
  };
  useEffect(() => {
    if (wanted.trim() === "" || !hasOlder) return;
    const timer = setTimeout(more, PAUSE);
    return () => {
      clearTimeout(timer);
      live.current += 1;
      setBusy(false);
    };
    // Once per words: what is fetched meanwhile is no reason to fetch more.
  }, [chatKey, wanted, hasOlder]);
  return { busy, more };
}

function find(rows: Row[], wanted: string, thoughts: boolean): string[] {
  const words = comparable(wanted.trim());
  if (!words) return [];
  return rows.filter((row) => inMessage(row.message, words, thoughts)).map((row) => row.message.key);
}
