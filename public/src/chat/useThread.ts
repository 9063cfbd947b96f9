/**
 * Which rows are in the page, and where it is scrolled.
 *
 * At most `MOUNTED` rows are in the page at a time; scrolling moves that window over what is loaded and
 * asks for more at its top. While the reader is at the end, new text keeps the end in view. Anywhere
 * else the first row in view stays exactly where it is, whatever is added above or below.
 */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { NO_HAND, watchHand } from "./hand";
import type { Row } from "./rows";

const MOUNTED = 100;
const AT_FIRST = 40;
const STEP = 20;
/** Rows mounted in one frame while the reader scrolls: more at once would hold the scrolling up. */
const A_FRAME = 4;
/** Pixels from an edge at which more is fetched. */
const NEAR = 800;
/** Pixels from the end that still count as the end. */
const END = 12;

interface Span {
  /** The first mounted row; null: the last ones, whatever they are. */
  top: string | null;
  size: number;
}

export interface Thread {
  shown: Row[];
  atEnd: boolean;
  viewport(element: HTMLElement | null): void;
  content(element: HTMLElement | null): void;
  /** To be called after the rows were drawn. */
  drawn(): void;
  jump(): void;
  reveal(key: string): void;
}

export function useThread(rows: Row[], hasOlder: boolean, loadOlder: () => void): Thread {
  const [span, setSpan] = useState<Span>({ top: null, size: AT_FIRST });
  const [atEnd, setAtEnd] = useState(true);
  const viewport = useRef<HTMLElement | null>(null);
  const content = useRef<HTMLElement | null>(null);
  const end = useRef(true);
  const anchor = useRef<{ key: string; top: number } | null>(null);
  const stood = useRef({ top: 0, height: 0, room: 0 });
  const hand = useRef(NO_HAND);
  const wanted = useRef<string | null>(null);

  const { from, to } = bounds(rows, span);
  const now = useRef({ rows, from, to, hasOlder, loadOlder });
  now.current = { rows, from, to, hasOlder, loadOlder };

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
    setSpan(reached ? { top: null, size: AT_FIRST } : { top: all[first]?.message.key ?? null, size: until - first });
  }, []);

  const keep = useCallback(() => {
    const view = viewport.current;
    if (!view) return;
    const element = wanted.current && find(content.current, wanted.current);
    if (element) {
      wanted.current = null;
      const box = element.getBoundingClientRect();
      view.scrollTop += box.top - view.getBoundingClientRect().top - Math.max(16, (view.clientHeight - box.height) / 3);
      end.current = distance(view) <= END;
      setAtEnd(end.current);
    } else if (end.current && now.current.to === now.current.rows.length) {
      view.scrollTop = view.scrollHeight;
    } else if (anchor.current) {
      const kept = find(content.current, anchor.current.key);
      if (kept) view.scrollTop += kept.getBoundingClientRect().top - view.getBoundingClientRect().top - anchor.current.top;
    }
    remember();
  }, [remember]);

  const look = useCallback(() => {
    const view = viewport.current;
    const { rows: all, from: first, to: last, hasOlder: more, loadOlder: load } = now.current;
    if (!view || all.length === 0 || wanted.current !== null) return;
    if (view.scrollTop < NEAR && first > 0) {
      const top = Math.max(0, first - A_FRAME);
      setSpan({ top: all[top]!.message.key, size: Math.min(MOUNTED, last - top) });
    } else if (view.scrollTop < NEAR && more) {
      load();
    } else if (distance(view) < NEAR && last < all.length) {
      const bottom = Math.min(all.length, last + A_FRAME);
      const top = Math.max(first, bottom - MOUNTED);
      setSpan({ top: all[top]!.message.key, size: bottom - top });
    }
  }, []);
  /** In the next frame, once for all that asks in this one. */
  const waiting = useRef(false);
  const lookNext = useCallback(() => {
    if (waiting.current) return;
    waiting.current = true;
    requestAnimationFrame(() => {
      waiting.current = false;
      look();
    });
  }, [look]);

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
    keep();
    lookNext();
  }, [keep, lookNext]);

  useObserved(viewport, content, keep, scrolled);
  useEffect(() => {
    if (!viewport.current) return;
    hand.current = watchHand(viewport.current);
    return hand.current.stop;
  }, []);
  // Older messages have come: there may be room for them in the window now.
  useEffect(look, [look, rows.length]);

  return {
    shown: rows.slice(from, to),
    atEnd,
    viewport: useCallback((element) => void (viewport.current = element), []),
    content: useCallback((element) => void (content.current = element), []),
    drawn,
    jump() {
      wanted.current = null;
      end.current = true;
      setAtEnd(true);
      setSpan({ top: null, size: AT_FIRST });
      const view = viewport.current;
      if (view && to === rows.length) view.scrollTo({ top: view.scrollHeight });
    },
    reveal(key) {
      const at = rows.findIndex((row) => row.message.key === key);
      if (at < 0) return;
      const top = Math.max(0, at - STEP);
      end.current = false;
      setAtEnd(false);
      wanted.current = key;
      setSpan({ top: rows[top]!.message.key, size: Math.min(MOUNTED, Math.max(AT_FIRST, at - top + STEP)) });
      requestAnimationFrame(drawn);
    },
  };
}

/** Sizes change without a new row too: streamed text, opened blocks, a keyboard that comes up. */
function useObserved(
  viewport: React.RefObject<HTMLElement | null>,
  content: React.RefObject<HTMLElement | null>,
  keep: () => void,
  scrolled: () => void,
): void {
  useLayoutEffect(keep, [keep]);
  useEffect(() => {
    const view = viewport.current;
    if (!view || !content.current) return;
    const observer = new ResizeObserver(keep);
    observer.observe(view);
    observer.observe(content.current);
    view.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      view.removeEventListener("scroll", scrolled);
    };
  }, [viewport, content, keep, scrolled]);
}

function bounds(rows: Row[], { top, size }: Span): { from: number; to: number } {
  const at = top === null ? -1 : rows.findIndex((row) => row.message.key === top);
  if (at < 0) {
    // In steps, so that the rows at the top do not leave one by one while an answer streams.
    const from = Math.floor(Math.max(0, rows.length - AT_FIRST) / STEP) * STEP;
    return { from, to: rows.length };
  }
  return { from: at, to: Math.min(rows.length, at + size) };
}

const placeOf = (view: HTMLElement) => ({ top: view.scrollTop, height: view.scrollHeight, room: view.clientHeight });

const distance = (view: HTMLElement): number => view.scrollHeight - view.clientHeight - view.scrollTop;

function find(content: HTMLElement | null, key: string): HTMLElement | null {
  return content?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? null;
}

function firstInView(view: HTMLElement, content: HTMLElement | null): { key: string; top: number } | null {
  const edge = view.getBoundingClientRect().top;
  for (const element of content?.querySelectorAll<HTMLElement>("[data-key]") ?? []) {
    const box = element.getBoundingClientRect();
    if (box.bottom > edge) return { key: element.dataset.key!, top: box.top - edge };
  }
  return null;
}
