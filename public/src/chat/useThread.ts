/**
 * Which rows are in the page, and where it is scrolled.
 *
 * A bounded number of rows is in the page at a time (`roomFor`); scrolling moves that window over what is loaded and
 * asks for more at its top. While the reader is at the end, new text keeps the end in view. Anywhere
 * else the first row in view stays exactly where it is, whatever is added above or below.
 */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { NO_HAND, watchHand } from "./hand";
import type { Row } from "./rows";

/** Pixels of a row that has one short line: what the number of mounted rows is reckoned by. */
const SHORTEST = 40;
/** Rows above which the farthest are unmounted while the reader is at the end and new ones come. */
const AT_END = 40;
const STEP = 20;
/** Rows mounted first, before it is known how long they take here. */
const FIRST = 2;
/** Rows mounted in one frame at most: more at once would hold up the first picture, and the scrolling. */
const A_FRAME = 4;
/** Milliseconds that the rows of one frame may take to mount; the next frame mounts as many as fit. */
const BUDGET = 50;
/** Pixels from an edge at which more is fetched. */
const NEAR = 800;
/** Pixels from the end that still count as the end. */
const END = 12;

interface Span {
  /** The first mounted row; null: the last few, until they are drawn and more are mounted above them. */
  top: string | null;
  /** How many rows from there on; null: all, also those that come later. */
  size: number | null;
}

const LAST: Span = { top: null, size: null };

export interface Thread {
  shown: Row[];
  atEnd: boolean;
  /** The first rows fill the view, or there are no more; until then they are not to be seen, for they still move. */
  filled: boolean;
  viewport(element: HTMLElement | null): void;
  content(element: HTMLElement | null): void;
  /** To be called after the rows were drawn. */
  drawn(): void;
  jump(): void;
  reveal(key: string): void;
}

/** `stay`: at the beginning of a new answer once it is longer than the view, and not at its end. */
export function useThread(rows: Row[], hasOlder: boolean, loadOlder: () => void, stay: boolean): Thread {
  const [span, setSpan] = useState<Span>(LAST);
  const [atEnd, setAtEnd] = useState(true);
  const [filled, setFilled] = useState(false);
  const viewport = useRef<HTMLElement | null>(null);
  const content = useRef<HTMLElement | null>(null);
  const end = useRef(true);
  const anchor = useRef<{ key: string; top: number } | null>(null);
  const stood = useRef({ top: 0, height: 0, room: 0 });
  const hand = useRef(NO_HAND);
  const wanted = useRef<string | null>(null);
  const step = useRef({ rows: FIRST, since: 0 });

  const { from, to } = bounds(rows, span);
  const now = useRef({ rows, from, to, hasOlder, loadOlder, stay });
  now.current = { rows, from, to, hasOlder, loadOlder, stay };
  /** The last row that the reader has seen the beginning of; null until there are rows. */
  const begun = useRef<string | null>(null);

  const remember = useCallback(() => {
    const view = viewport.current;
    if (!view) return;
    stood.current = placeOf(view);
    // At the end there is nothing to hold on to but the end, and measuring costs.
    anchor.current = end.current ? null : firstInView(view, content.current);
  }, []);

  /**
   * The reader has scrolled: to the end, or away from it. Wheel, finger, key and scroll bar always count as that. A scroll
   * without them counts when it goes far and no size has changed: the browser's own search, or a screen reader. Else the
   * place has only followed sizes around it, which may be back as they were by now.
   */
  const notice = useCallback(() => {
    const view = viewport.current;
    // On the way to a row that is not drawn yet, the view stands where the reader did not put it.
    if (!view || wanted.current !== null) return;
    const { rows: all, from: first, to: until } = now.current;
    const { top, height, room } = placeOf(view);
    const byHand = top !== stood.current.top && hand.current.scrolls();
    const calm = height === stood.current.height && room === stood.current.room;
    const far = top < stood.current.top - room / 2;
    const up = top < stood.current.top - 1 && (byHand || (calm && far));
    const reached = distance(view) <= END && until === all.length;
    if (reached === end.current || !(reached || up)) return;
    end.current = reached;
    setAtEnd(reached);
    setSpan({ top: all[first]?.message.key ?? null, size: reached ? null : until - first });
  }, []);

  /** The reader is about to leave the end: a change of the place now would stop the scroll before it has begun. */
  const leaves = useCallback(() => end.current && hand.current.goesUp(), []);

  const keep = useCallback(() => {
    const view = viewport.current;
    if (!view || leaves()) return;
    const element = wanted.current && find(content.current, wanted.current);
    if (element) {
      wanted.current = null;
      const box = element.getBoundingClientRect();
      view.scrollTop += box.top - view.getBoundingClientRect().top - Math.max(16, (view.clientHeight - box.height) / 3);
      end.current = distance(view) <= END && now.current.to === now.current.rows.length;
      setAtEnd(end.current);
    } else if (end.current && now.current.to === now.current.rows.length) {
      view.scrollTop = view.scrollHeight;
      const { rows: all, from: first } = now.current;
      const last = all.at(-1);
      if (now.current.stay && begun.current !== null && last?.message.role === "assistant" && begun.current !== last.message.key) {
        const over = view.getBoundingClientRect().top + 8 - (find(content.current, last.message.key)?.getBoundingClientRect().top ?? Infinity);
        if (over > 0) {
          view.scrollTop -= over;
          begun.current = last.message.key;
          end.current = false;
          setAtEnd(false);
          setSpan({ top: all[first]!.message.key, size: all.length - first });
        }
      } else {
        begun.current = last?.message.key ?? null;
      }
    } else if (anchor.current) {
      const kept = find(content.current, anchor.current.key);
      if (kept) view.scrollTop += kept.getBoundingClientRect().top - view.getBoundingClientRect().top - anchor.current.top;
    }
    remember();
  }, [leaves, remember]);

  const look = useCallback(() => {
    const view = viewport.current;
    const { rows: all, from: first, to: last, hasOlder: more, loadOlder: load } = now.current;
    if (!view || all.length === 0 || wanted.current !== null) return;
    setFilled(first === 0 || view.scrollHeight > view.clientHeight);
    const spanFrom = (top: number, until: number) => {
      step.current.since = performance.now();
      setSpan({ top: all[top]!.message.key, size: end.current ? null : until - top });
    };
    // Below first: what is above a short page would push the row that was looked for out of its place.
    const short = view.scrollHeight <= view.clientHeight;
    const far = end.current && last - first > AT_END ? rowsFarAbove(view, content.current) : 0;
    if (far >= STEP) {
      spanFrom(first + far, last);
    } else if (view.scrollTop < NEAR && first > 0 && !(short && last < all.length)) {
      const top = Math.max(0, first - step.current.rows);
      spanFrom(top, Math.min(last, top + roomFor(view)));
    } else if (view.scrollTop < NEAR && first === 0 && more) {
      load();
    } else if (distance(view) < NEAR && last < all.length) {
      const bottom = Math.min(all.length, last + step.current.rows);
      spanFrom(Math.max(first, bottom - roomFor(view)), bottom);
    }
  }, []);
  /** In the next frame, once for all that asks in this one. */
  const waiting = useRef(false);
  const lookNext = useCallback(() => {
    if (waiting.current) return;
    waiting.current = true;
    const next = (): void => {
      if (leaves()) return void requestAnimationFrame(next);
      waiting.current = false;
      // What came while the reader was about to leave, and then did not.
      if (end.current && viewport.current && distance(viewport.current) > END) keep();
      look();
    };
    requestAnimationFrame(next);
  }, [keep, leaves, look]);

  const scrolled = useCallback(() => {
    const view = viewport.current;
    if (!view) return;
    notice();
    // Not the reader: the end is where it was left.
    if (end.current && distance(view) > END) keep();
    else remember();
    lookNext();
  }, [keep, lookNext, notice, remember]);

  const drawn = useCallback(() => {
    step.current = nextStep(step.current);
    keep();
    lookNext();
  }, [keep, lookNext]);

  const sized = useCallback(() => {
    keep();
    if (leaves()) lookNext();
  }, [keep, leaves, lookNext]);

  useObserved(viewport, content, sized, scrolled);
  useEffect(() => {
    if (!viewport.current) return;
    hand.current = watchHand(viewport.current);
    return hand.current.stop;
  }, []);
  // Older messages have come: there may be room for them in the window now.
  useEffect(lookNext, [lookNext, rows.length]);

  return {
    shown: rows.slice(from, to),
    atEnd,
    filled,
    viewport: useCallback((element) => void (viewport.current = element), []),
    content: useCallback((element) => void (content.current = element), []),
    drawn,
    jump() {
      wanted.current = null;
      end.current = true;
      setAtEnd(true);
      setFilled(to === rows.length);
      setSpan(to < rows.length ? LAST : { top: rows[from]?.message.key ?? null, size: null });
      const view = viewport.current;
      if (view && to === rows.length) view.scrollTo({ top: view.scrollHeight });
    },
    reveal(key) {
      const at = rows.findIndex((row) => row.message.key === key);
      if (at < 0) return;
      const top = Math.max(0, at - FIRST);
      end.current = false;
      setAtEnd(false);
      wanted.current = key;
      setFilled(true);
      setSpan({ top: rows[top]!.message.key, size: 2 * FIRST + 1 });
      requestAnimationFrame(drawn);
    },
  };
}

/** Sizes change without a new row too: streamed text, opened blocks, a keyboard that comes up. */
function useObserved(
  viewport: React.RefObject<HTMLElement | null>,
  content: React.RefObject<HTMLElement | null>,
  sized: () => void,
  scrolled: () => void,
): void {
  useLayoutEffect(sized, [sized]);
  useEffect(() => {
    const view = viewport.current;
    if (!view || !content.current) return;
    const observer = new ResizeObserver(sized);
    observer.observe(view);
    observer.observe(content.current);
    view.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      view.removeEventListener("scroll", scrolled);
    };
  }, [viewport, content, sized, scrolled]);
}

function bounds(rows: Row[], { top, size }: Span): { from: number; to: number } {
  const at = top === null ? -1 : rows.findIndex((row) => row.message.key === top);
  if (at < 0) return { from: Math.max(0, rows.length - FIRST), to: rows.length };
  return { from: at, to: size === null ? rows.length : Math.min(rows.length, at + size) };
}

/** As many rows as fit into the budget, by what the last took; one more at a time. */
function nextStep({ rows, since }: { rows: number; since: number }): { rows: number; since: number } {
  if (since === 0) return { rows, since };
  const fit = Math.floor((rows * BUDGET) / Math.max(1, performance.now() - since));
  return { rows: Math.max(1, Math.min(fit, rows + 1, A_FRAME)), since: 0 };
}

/** Rows that fill the view and what is near it, however short they are. */
const roomFor = (view: HTMLElement): number => Math.ceil((view.clientHeight + 2 * NEAR) / SHORTEST);

const placeOf = (view: HTMLElement) => ({ top: view.scrollTop, height: view.scrollHeight, room: view.clientHeight });

const distance = (view: HTMLElement): number => view.scrollHeight - view.clientHeight - view.scrollTop;

function find(content: HTMLElement | null, key: string): HTMLElement | null {
  return content?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? null;
}

/** How many rows could be unmounted with enough left above the view to scroll into. */
function rowsFarAbove(view: HTMLElement, content: HTMLElement | null): number {
  const edge = view.getBoundingClientRect().top - 2 * NEAR;
  const rows = [...(content?.querySelectorAll<HTMLElement>("[data-key]") ?? [])];
  return rows.findLastIndex((row) => row.getBoundingClientRect().top <= edge);
}

function firstInView(view: HTMLElement, content: HTMLElement | null): { key: string; top: number } | null {
  const edge = view.getBoundingClientRect().top;
  const rows = content?.querySelectorAll<HTMLElement>("[data-key]") ?? [];
  // They stand in order: halved, for a measure at each scroll is cheap only when few are measured.
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.getBoundingClientRect().bottom > edge) high = middle;
    else low = middle + 1;
  }
  const first = rows[low];
  return first ? { key: first.dataset.key!, top: first.getBoundingClientRect().top - edge } : null;
}
