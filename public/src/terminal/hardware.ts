/** Which keys of a keyboard, hardware or on the glass, are meant for the terminal and not for the native line. Pure. */

import { letterOf } from "~/ui/letters";

export interface Pressed {
  key: string;
  code: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  /** AltGr makes letters. */
  altGraph: boolean;
}

const ALWAYS: ReadonlySet<string> = new Set(["ArrowUp", "ArrowDown", "Escape", "Tab", "PageUp", "PageDown", "Insert"]);
/** They move in the line while there is something in it. */
const EDITING: ReadonlySet<string> = new Set(["ArrowLeft", "ArrowRight", "Home", "End", "Delete", "Backspace"]);

/** `line` is what stands in the native line, `selected` whether a part of it is selected. */
export function forTerminal(pressed: Pressed, line: string, selected: boolean): boolean {
  const { key, ctrlKey, altKey, metaKey, altGraph } = pressed;
  if (metaKey) return false;
  if (ALWAYS.has(key) || /^F\d+$/.test(key)) return true;
  if (EDITING.has(key)) return line === "";
  if (key.length !== 1 || altGraph) return false;
  if (ctrlKey && !altKey) return !isClipboard(letterOf(pressed), selected);
  return altKey && !ctrlKey && isOwnLetter(pressed);
}

function isClipboard(letter: string, selected: boolean): boolean {
  return letter === "v" || (selected && (letter === "c" || letter === "x"));
}

/** Not a letter that Option makes of it. */
function isOwnLetter({ key, code }: Pressed): boolean {
  return code === `Key${key.toUpperCase()}` || code === `Digit${key}` || (key === "." && code === "Period");
}
