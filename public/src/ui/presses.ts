/**
 * A button that takes the place of the pressed one must not get the second half of a double tap: Send becomes the
 * microphone, the next message moves under the finger that deleted one, a question opens where its button was. Nor may it
 * get the end of a press that began before it stood there: a touch clicks what is under the finger when it is lifted.
 */

/** Milliseconds between two presses that count as one double press. */
const DOUBLE = 500;
/** Pixels between them; half of the smallest button. */
const NEAR = 22;

/** A dialog too: a press beside its sheet closes it. */
const PRESSABLE = "button, a, summary, label, select, input, textarea, dialog, [role=button], [role=menuitem], [role=option]";

/** What the browser presses again and again while Enter is held. */
const REPEATED = "button, a, summary";

interface Press {
  target: Element | null;
  /** What the button said then. */
  name: string;
  x: number;
  y: number;
  at: number;
}

/** Keeps presses that were not meant for their button from it. Returns the way to stop. */
export function guardPresses(): () => void {
  let before: Press | null = null;
  /** The press that is not over yet. */
  let held: Press | null = null;
  let swallowing = false;

  const down = (event: PointerEvent): void => {
    const target = pressed(event.target);
    const press = { target, name: nameOf(target), x: event.clientX, y: event.clientY, at: event.timeStamp };
    swallowing = before !== null && isSecondHalf(before, press);
    // A third tap is compared with the first one too, and its time counts from there: pressing on and on gets through.
    if (!swallowing) before = press;
    held = press;
    if (swallowing) swallow(event);
  };
  const rest = (event: Event): void => {
    // Keys and screen readers click too, without a pointer.
    if (event.type === "click" && (event as MouseEvent).detail === 0) return;
    // A touch is followed by the events of a mouse when it is lifted.
    if (held && (event.type === "mousedown" || event.type === "click")) swallowing ||= cameUnder(held, pressed(event.target));
    if (event.type === "click") held = null;
    if (swallowing) swallow(event);
  };
  const forget = (): void => void (before = null);
  /** The button that Enter or the space bar pressed last. */
  let byKey: { target: Element; at: number } | null = null;
  const key = (event: KeyboardEvent): void => {
    forget();
    if ((event.key !== "Enter" && event.key !== " ") || !(event.target instanceof Element) || !event.target.matches(REPEATED)) return;
    // Held down, Enter would press whatever gets the focus after the button it was pressed on; so would a second press.
    const gone = byKey !== null && byKey.target !== event.target && !(byKey.target.isConnected && byKey.target.matches(":enabled, a, summary"));
    if ((event.repeat && event.key === "Enter") || (gone && event.timeStamp - byKey!.at < DOUBLE)) return swallow(event);
    byKey = { target: event.target, at: event.timeStamp };
  };

  window.addEventListener("pointerdown", down, true);
  for (const type of ["mousedown", "pointerup", "mouseup", "click"]) window.addEventListener(type, rest, true);
  window.addEventListener("input", forget, true);
  window.addEventListener("keydown", key, true);
  return () => {
    window.removeEventListener("pointerdown", down, true);
    for (const type of ["mousedown", "pointerup", "mouseup", "click"]) window.removeEventListener(type, rest, true);
    window.removeEventListener("input", forget, true);
    window.removeEventListener("keydown", key, true);
  };
}

function isSecondHalf(before: Press, now: Press): boolean {
  if (before.target === null || now.target === null) return false;
  if (now.at - before.at >= DOUBLE || Math.hypot(now.x - before.x, now.y - before.y) >= NEAR) return false;
  // The same element may have become another button: "New code" is "Close" now.
  if (before.target === now.target) return before.name !== now.name;
  // Still there: its neighbour was meant.
  return pressed(document.elementFromPoint(before.x, before.y)) !== before.target;
}

/** Whether `target` stands where the press began and did not then. */
function cameUnder(press: Press, target: Element | null): boolean {
  return target !== null && target !== press.target && pressed(document.elementFromPoint(press.x, press.y)) === target;
}

function pressed(target: EventTarget | null): Element | null {
  return target instanceof Element ? target.closest(PRESSABLE) : null;
}

/** What a button says, but for its numbers, which may count. */
function nameOf(target: Element | null): string {
  return target instanceof HTMLButtonElement ? (target.ariaLabel ?? target.textContent).replace(/\d+/g, "") : "";
}

function swallow(event: Event): void {
  event.stopImmediatePropagation();
  event.preventDefault();
}
