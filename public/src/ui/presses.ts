/**
 * A button that takes the place of the pressed one must not get the second half of a double tap: Send becomes the
 * microphone, the next message moves under the finger that deleted one, a question opens where its button was.
 */

/** Milliseconds between two presses that count as one double press. */
const DOUBLE = 500;
/** Pixels between them; half of the smallest button. */
const NEAR = 22;

const PRESSABLE = "button, a, summary, label, select, input, [role=button], [role=menuitem]";

/** What is typed in between ends a double press. */
const BETWEEN = ["keydown", "input"] as const;

interface Press {
  target: Element | null;
  x: number;
  y: number;
  at: number;
}

/** Keeps presses that were not meant for their button from it. Returns the way to stop. */
export function guardPresses(): () => void {
  let before: Press | null = null;
  let swallowing = false;

  const down = (event: PointerEvent): void => {
    const press = { target: pressed(event.target), x: event.clientX, y: event.clientY, at: event.timeStamp };
    swallowing = before !== null && isSecondHalf(before, press);
    // A third tap is compared with the first one too, and its time counts from there: pressing on and on gets through.
    if (!swallowing) before = press;
    if (swallowing) swallow(event);
  };
  const rest = (event: Event): void => {
    if (!swallowing) return;
    // Keys and screen readers click too, without a pointer.
    if (event.type === "click" && (event as MouseEvent).detail === 0) return;
    swallow(event);
  };
  const forget = (): void => void (before = null);

  window.addEventListener("pointerdown", down, true);
  for (const type of ["mousedown", "pointerup", "mouseup", "click"]) window.addEventListener(type, rest, true);
  for (const type of BETWEEN) window.addEventListener(type, forget, true);
  return () => {
    window.removeEventListener("pointerdown", down, true);
    for (const type of ["mousedown", "pointerup", "mouseup", "click"]) window.removeEventListener(type, rest, true);
    for (const type of BETWEEN) window.removeEventListener(type, forget, true);
  };
}

function isSecondHalf(before: Press, now: Press): boolean {
  if (before.target === null || now.target === null || before.target === now.target) return false;
  if (now.at - before.at >= DOUBLE || Math.hypot(now.x - before.x, now.y - before.y) >= NEAR) return false;
  // Still there: its neighbour was meant.
  return pressed(document.elementFromPoint(before.x, before.y)) !== before.target;
}

function pressed(target: EventTarget | null): Element | null {
  return target instanceof Element ? target.closest(PRESSABLE) : null;
}

function swallow(event: Event): void {
  event.stopImmediatePropagation();
  event.preventDefault();
}
