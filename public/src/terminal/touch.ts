/** Scrolling, swiping and pinching by touch, which xterm.js leaves to its surroundings. A tap is left alone. */

/** Pixels before a touch counts as a drag. */
const SLACK = 8;
/** Pixels of a swipe per arrow. */
const STEP = 24;
/** Pixels at the window's edges, from where a swipe goes back in many browsers. */
const EDGE = 24;
/** How much of the speed is left after each frame once the finger is lifted. */
const GLIDE = 0.95;

export interface Scrolled {
  /** Pixels. */
  lineHeight(): number;
  /** Down when positive. */
  lines(count: number): void;
  /** A finger that set out sideways has moved by one step. */
  swipe(key: "left" | "right"): void;
  /** Two fingers begin to pinch; returns what takes their distance, 1 at the start. */
  pinch(): (scale: number) => void;
}

export function scrollByTouch(host: HTMLElement, scrolled: Scrolled): () => void {
  let startX = 0;
  let startY = 0;
  let lastX = 0;
  let lastY = 0;
  let lastAt = 0;
  let speed = 0;
  let dragging = false;
  let swiping = false;
  let frame = 0;
  let rest = 0;
  let pinch: { scale(scale: number): void; spread: number } | undefined;

  const drag = (pixels: number): void => {
    rest += pixels;
    const step = scrolled.lineHeight();
    const lines = Math.trunc(rest / step);
    if (lines === 0) return;
    rest -= lines * step;
    scrolled.lines(lines);
  };
  /** True: the finger moves sideways, and the gesture is no scrolling. */
  const sideways = (event: TouchEvent): boolean => {
    const { clientX, clientY } = event.touches[0]!;
    const far = Math.abs(clientX - startX);
    const inside = startX > EDGE && startX < window.innerWidth - EDGE;
    if (!swiping && (dragging || !inside || far < STEP || far < 2 * Math.abs(clientY - startY))) return false;
    swiping = true;
    for (; Math.abs(clientX - lastX) >= STEP; lastX += Math.sign(clientX - lastX) * STEP) scrolled.swipe(clientX < lastX ? "left" : "right");
    return true;
  };
  const glide = (): void => {
    speed *= GLIDE;
    if (Math.abs(speed) < 0.02) return;
    drag(speed * 16);
    frame = requestAnimationFrame(glide);
  };
  const start = (event: TouchEvent): void => {
    cancelAnimationFrame(frame);
    startX = lastX = event.touches[0]?.clientX ?? 0;
    startY = lastY = event.touches[0]?.clientY ?? 0;
    lastAt = event.timeStamp;
    speed = rest = 0;
    dragging = swiping = false;
    pinch = event.touches.length === 2 ? { scale: scrolled.pinch(), spread: spread(event.touches) } : undefined;
  };
  const move = (event: TouchEvent): void => {
    if (pinch && event.touches.length === 2) {
      event.preventDefault();
      return pinch.scale(spread(event.touches) / pinch.spread);
    }
    if (event.touches.length === 1 && sideways(event)) return event.preventDefault();
    const y = event.touches[0]?.clientY ?? lastY;
    if (event.touches.length > 1 || (!dragging && Math.abs(y - startY) < SLACK)) return;
    dragging = true;
    event.preventDefault();
    speed = (lastY - y) / Math.max(1, event.timeStamp - lastAt);
    drag(lastY - y);
    lastY = y;
    lastAt = event.timeStamp;
  };
  const end = (event: TouchEvent): void => {
    if (!dragging || event.timeStamp - lastAt > 60) return;
    frame = requestAnimationFrame(glide);
  };
  host.addEventListener("touchstart", start, { passive: true });
  host.addEventListener("touchmove", move, { passive: false });
  host.addEventListener("touchend", end, { passive: true });
  return () => {
    cancelAnimationFrame(frame);
    host.removeEventListener("touchstart", start);
    host.removeEventListener("touchmove", move);
    host.removeEventListener("touchend", end);
  };
}

function spread(touches: TouchList): number {
  const [one, other] = [touches[0]!, touches[1]!];
  return Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
}
