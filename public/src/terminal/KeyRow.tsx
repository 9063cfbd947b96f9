/** The keys that a phone's keyboard lacks, in the order that people gave them. */

import { useEffect, useRef } from "react";
import { terminalText as text } from "~/text/terminal";
import type { Modifiers, RowKey } from "./keys";
import type { RowItem } from "./order";
import type { Sticky } from "./sticky";

/** Milliseconds until a held key repeats, and between two repetitions. */
const FIRST = 400;
const NEXT = 70;

const REPEATING: ReadonlySet<RowItem> = new Set<RowItem>(["up", "down", "left", "right", "pageUp", "pageDown"]);

export interface KeyRowProps {
  order: readonly RowItem[];
  sticky: Sticky;
  hold(modifier: keyof Modifiers): void;
  press(key: RowKey): void;
  copy(): void;
  paste(): void;
  snippets(): void;
}

export function KeyRow({ order, sticky, hold, press, copy, paste, snippets }: KeyRowProps) {
  const run = (item: RowItem): void => {
    if (item === "ctrl" || item === "alt") hold(item);
    else if (item === "copy") copy();
    else if (item === "paste") paste();
    else if (item === "snippets") snippets();
    else press(item);
  };
  return (
    <div className="terminal-keys" role="toolbar" aria-label={text.keys}>
      {order.map((item) => (
        <Key key={item} item={item} on={run} hold={item === "ctrl" || item === "alt" ? sticky[item].hold : undefined} />
      ))}
    </div>
  );
}

interface KeyProps {
  item: RowItem;
  on(item: RowItem): void;
  hold?: "off" | "once" | "locked" | undefined;
}

function Key({ item, on, hold }: KeyProps) {
  const repeat = useRepeat(() => on(item), REPEATING.has(item));
  const { face, label } = text.rowKeys[item];
  return (
    <button
      type="button"
      className="terminal-key"
      aria-label={label}
      title={hold === undefined ? undefined : hold === "locked" ? text.locked : text.stickyHint}
      aria-pressed={hold === undefined ? undefined : hold !== "off"}
      data-hold={hold}
      {...repeat}
    >
      {face}
    </button>
  );
}

/** A press at once or, held, again and again. The keyboard stays where it is: a press takes no focus. */
function useRepeat(run: () => void, repeats: boolean) {
  const timer = useRef(0);
  const repeated = useRef(false);
  const latest = useRef(run);
  latest.current = run;
  const stop = (): void => window.clearTimeout(timer.current);
  useEffect(() => stop, []);
  const again = (): void => {
    repeated.current = true;
    latest.current();
    timer.current = window.setTimeout(again, NEXT);
  };
  return {
    onPointerDown: (event: React.PointerEvent) => {
      event.preventDefault();
      repeated.current = false;
      stop();
      if (repeats && event.button === 0) timer.current = window.setTimeout(again, FIRST);
    },
    onPointerUp: stop,
    onPointerCancel: stop,
    onPointerLeave: stop,
    onContextMenu: (event: React.MouseEvent) => event.preventDefault(),
    onClick: () => {
      stop();
      if (!repeated.current) latest.current();
      repeated.current = false;
    },
  };
}
