/** What the keys of the key row send, as a terminal of the xterm family expects it, and how their row is kept. */

const ESC = "\x1b";
const CURSOR = { up: "A", down: "B", right: "C", left: "D", home: "H", end: "F" } as const;
const PLAIN = {
  escape: ESC,
  escapeTwice: ESC + ESC,
  tab: "\t",
  shiftTab: `${ESC}[Z`,
  interrupt: "\x03",
  enter: "\r",
  backspace: "\x7f",
  pageUp: `${ESC}[5~`,
  pageDown: `${ESC}[6~`,
  pipe: "|",
  slash: "/",
  tilde: "~",
  dash: "-",
  backtick: "`",
} as const;

/** Keys that type a character, as the ones of a keyboard do: Ctrl applies to them too. */
const CHARACTERS: ReadonlySet<RowKey> = new Set<RowKey>(["pipe", "slash", "tilde", "dash", "backtick"]);

export type RowKey = keyof typeof CURSOR | keyof typeof PLAIN;

export interface Modifiers {
  ctrl: boolean;
  alt: boolean;
}

/**
 * The bytes of one key of the row. `application` is the terminal's cursor key mode (DECCKM), which
 * full-screen programs switch on.
 */
export function rowKey(key: RowKey, held: Modifiers, application: boolean): string {
  if (!isCursor(key)) return CHARACTERS.has(key) ? typed(PLAIN[key], held) : (held.alt ? ESC : "") + PLAIN[key];
  const letter = CURSOR[key];
  const modifier = 1 + (held.alt ? 2 : 0) + (held.ctrl ? 4 : 0);
  if (modifier > 1) return `${ESC}[1;${modifier}${letter}`;
  return ESC + (application ? "O" : "[") + letter;
}

/** Whether the key writes into the line that is being typed, instead of acting on it. */
export const isCharacter = (key: RowKey): boolean => CHARACTERS.has(key);

/** The character of such a key. */
export const characterOf = (key: RowKey): string => (isCursor(key) ? "" : PLAIN[key]);

const isCursor = (key: RowKey): key is keyof typeof CURSOR => key in CURSOR;

/** Typed text with the row's Ctrl and Alt applied to its first character. */
export function typed(text: string, held: Modifiers): string {
  if (text === "" || (!held.ctrl && !held.alt)) return text;
  const [first = "", ...rest] = Array.from(text);
  const head = held.ctrl ? control(first) : first;
  return (held.alt ? ESC : "") + head + rest.join("");
}

/** Ctrl with a character: Ctrl+C is 3, Ctrl+Space is 0; one without a control code stays as it is. */
function control(character: string): string {
  if (character === " ") return "\0";
  if (character === "?") return "\x7f";
  const code = character.toUpperCase().charCodeAt(0);
  return character.length === 1 && code >= 64 && code < 96 ? String.fromCharCode(code - 64) : character;
}

/**
 * A device report that the terminal itself sends (who are you, where is the cursor, which colour).
 * Only one screen may answer, and never to old output: every other answer would be typed into the shell.
 */
export function isReport(data: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /^(?:\x1b\[[?>=]?[\d;]*(?:[cRnx]|\$y|\d*t)|\x1b\[[IO]|\x1bP[\s\S]*|\x1b\][\s\S]*)$/.test(data);
}
