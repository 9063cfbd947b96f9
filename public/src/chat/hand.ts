/** Whether the reader is scrolling an element: by wheel, finger, key or scroll bar. */

/** Milliseconds for which a scroll counts as going on after its last event: a flick glides, a key scrolls smoothly. */
const GLIDES = 400;
const UPWARD = new Set(["PageUp", "ArrowUp", "Home"]);

export interface Hand {
  scrolls(): boolean;
  /** A wheel or a key has just asked to scroll up; the view may not have moved yet, for scrolling begins slowly. */
  goesUp(): boolean;
  stop(): void;
}

export const NO_HAND: Hand = { scrolls: () => false, goesUp: () => false, stop: () => {} };

export function watchHand(view: HTMLElement): Hand {
  let until = 0;
  let upUntil = 0;
  let held = false;
  const moved = (): void => void (until = performance.now() + GLIDES);
  const up = (event: Event): void => {
    if (UPWARD.has((event as KeyboardEvent).key) || (event as WheelEvent).deltaY < 0) upUntil = performance.now() + GLIDES;
  };
  const pressed = (event: Event): void => {
    // A mouse that presses the element itself is on its scroll bar, or selects text beyond the edge.
    held = event.type === "touchstart" || (event as PointerEvent).pointerType === "mouse";
  };
  const lifted = (): void => {
    if (held) moved();
    held = false;
  };
  const over = new AbortController();
  const on = (target: EventTarget, types: string[], run: (event: Event) => void): void => {
    for (const type of types) target.addEventListener(type, run, { passive: true, signal: over.signal });
  };
  on(view, ["wheel", "keydown"], moved);
  on(view, ["wheel", "keydown"], up);
  on(view, ["touchstart", "pointerdown"], pressed);
  on(window, ["touchend", "touchcancel", "pointerup"], lifted);
  return {
    scrolls() {
      const now = performance.now();
      if (!held && now >= until) return false;
      until = now + GLIDES;
      return true;
    },
    goesUp: () => performance.now() < upUntil,
    stop: () => over.abort(),
  };
}
