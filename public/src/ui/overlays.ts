/**
 * Sheets and the history: going back closes what is open and leaves the page where it is. Each open sheet stands for
 * one entry of the history at the page's present address, whose state has `over`, the number of sheets.
 */

import { useEffect, useRef } from "react";

/** What closes each of the open sheets, the innermost last. */
const open: (() => void)[] = [];
/** Milliseconds that the way back over entries may take, on which no sheet is open any more. */
const LEAVES_WITHIN = 1_000;
/** The page is on that way: since when, at which address, and where it went meanwhile, which going back must not undo. */
let leaving: { until: number; at: string; wanted: string | null } | null = null;

const overOf = (state: unknown): number => (state as { over?: number } | null)?.over ?? 0;

/** Whether the present entry of the history stands for a sheet. */
export const isOver = (): boolean => overOf(history.state) > 0;

/** Whether the page is on its way back over such entries already. */
export const isLeaving = (): boolean => leaves() !== null;

/** Take `address` as where to go once the page has left the entries of sheets; false: it is not on that way. */
export function leavesTo(address: string): boolean {
  const under = leaves();
  if (under) under.wanted = address;
  return under !== null;
}

/** To be called once, early. A page that is loaded anew has no sheets open. */
export function followOverlays(): void {
  window.addEventListener("popstate", () => {
    const under = leaves();
    if (under && location.hash !== under.at) return void (under.wanted = location.hash);
    leaving = null;
    // Not those that have opened on the way.
    if (!under) while (open.length > overOf(history.state)) open.pop()?.();
    if (under?.wanted) location.hash = under.wanted;
    settle();
  });
  settle();
}

/** While the component is mounted, going back calls `close` instead. `own`: it is an address of its own, and closes with that. */
export function useBackCloses(close: () => void, own = false): void {
  const latest = useRef(close);
  latest.current = close;
  useEffect(() => {
    if (own) return;
    const one = () => latest.current();
    open.push(one);
    setTimeout(settle);
    return () => {
      if (open.includes(one)) open.splice(open.indexOf(one), 1);
      setTimeout(settle);
    };
  }, [own]);
}

const leaves = () => (leaving && performance.now() < leaving.until ? leaving : null);

/** One entry more for a sheet that has opened, or back over those of sheets that have closed. */
function settle(): void {
  const over = overOf(history.state);
  if (leaves() || over === open.length) return;
  if (over > open.length) {
    leaving = { until: performance.now() + LEAVES_WITHIN, at: location.hash, wanted: null };
    history.go(open.length - over);
  } else {
    for (let count = over + 1; count <= open.length; count += 1) history.pushState({ ...(history.state as object | null), over: count }, "");
  }
}
