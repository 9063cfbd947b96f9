/**
 * Keys that belong to an input method: they choose, end or discard the letters being composed, and are no command
 * to this page. Safari reports the Enter that ends a composition after `compositionend`, with key code 229 alone.
 */

const IN_COMPOSITION = 229;

export function composing(event: Pick<KeyboardEvent, "isComposing" | "keyCode">): boolean {
  return event.isComposing || event.keyCode === IN_COMPOSITION;
}

/**
 * Keeps such keys from every handler of the page; xterm.js has its own use for them. Returns the way to stop.
 * Enter and Escape lose their default too, so that they neither submit a form nor close a dialog.
 */
export function guardComposition(): () => void {
  const guard = (event: KeyboardEvent): void => {
    if (!composing(event) || inXterm(event.target)) return;
    event.stopImmediatePropagation();
    if (event.keyCode === IN_COMPOSITION && (event.key === "Enter" || event.key === "Escape")) event.preventDefault();
  };
  window.addEventListener("keydown", guard, true);
  return () => window.removeEventListener("keydown", guard, true);
}

function inXterm(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(".xterm") !== null;
}
