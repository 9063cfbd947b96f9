/** Terminal output as runs of text: colours and weights are kept, every other control is dropped. */

/** A piece of text of one look; `look` is a list of CSS classes, empty for plain text. */
export interface Run {
  text: string;
  look: string;
}

/** Runs per text: what changes its colour more often than that goes on plain. */
const RUNS_MOST = 5_000;

/** In this order: colours and weights (SGR), other sequences, commands to the terminal that end in BEL or ST, other escapes. */
const SEQUENCE =
  /(?:\x1b\[|\x9b)([\d;:]*)m|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]{0,8}[0-~]?/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** What a control character looks like: most texts have none and are left alone. */
const ANY = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  struck: boolean;
  colour: number | null;
}

const PLAIN: Style = { bold: false, dim: false, italic: false, underline: false, struck: false, colour: null };

export function hasControls(text: string): boolean {
  return ANY.test(text);
}

/** Return `text` without controls; tabs and line breaks stay. */
export function withoutAnsi(text: string): string {
  return ANY.test(text) ? lastOfLine(text.replace(SEQUENCE, "")).replace(CONTROLS, "") : text;
}

/** Return the runs of `text`, at most `RUNS_MOST`. */
export function readAnsi(text: string): Run[] {
  if (!ANY.test(text)) return text ? [{ text, look: "" }] : [];
  const runs: Run[] = [];
  const source = lastOfLine(text);
  let style = PLAIN;
  let from = 0;
  for (const match of source.matchAll(SEQUENCE)) {
    add(runs, source.slice(from, match.index), style);
    from = match.index + match[0].length;
    if (runs.length >= RUNS_MOST) break;
    if (match[1] !== undefined) style = restyled(style, match[1]);
  }
  add(runs, runs.length < RUNS_MOST ? source.slice(from) : withoutAnsi(source.slice(from)), runs.length < RUNS_MOST ? style : PLAIN);
  return runs;
}

/**
 * A carriage return begins its line anew, as a progress bar does: what was written last stands.
 * No regular expression: those that fit go over a long line again and again.
 */
function lastOfLine(text: string): string {
  if (!text.includes("\r")) return text;
  return text.split("\n").map(lastWritten).join("\n");
}

function lastWritten(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === "\r") end -= 1;
  return line.slice(end === 0 ? 0 : line.lastIndexOf("\r", end - 1) + 1, end);
}

function add(runs: Run[], piece: string, style: Style): void {
  const text = piece.replace(CONTROLS, "");
  if (text === "") return;
  const look = lookOf(style);
  const last = runs.at(-1);
  if (last?.look === look) last.text += text;
  else runs.push({ text, look });
}

function lookOf({ bold, dim, italic, underline, struck, colour }: Style): string {
  const looks = [colour !== null && `ansi-${colour}`, bold && "font-semibold", dim && "ansi-dim", italic && "italic", underline && "underline", struck && "line-through"];
  return looks.filter(Boolean).join(" ");
}

function restyled(before: Style, codes: string): Style {
  const style = { ...before };
  const numbers = codes.slice(0, 64).split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at]!;
    if (code === 0) Object.assign(style, PLAIN);
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 9) style.struck = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 29) style.struck = false;
    else if (code >= 30 && code <= 37) style.colour = code - 30;
    else if (code >= 90 && code <= 97) style.colour = code - 90;
    else if (code === 39) style.colour = null;
    else if (code === 38 || code === 48) {
      const [colour, taken] = extended(numbers.slice(at + 1));
      // Backgrounds are dropped: with our own colours they would not be readable.
      if (code === 38) style.colour = colour;
      at += taken;
    }
  }
  return style;
}

/** One of 256 colours or of all, as the nearest of the eight that both themes can show. */
function extended([kind, ...rest]: number[]): [colour: number | null, taken: number] {
  if (kind === 2) return [nearest(rest[0] ?? 0, rest[1] ?? 0, rest[2] ?? 0), 4];
  if (kind !== 5) return [null, 1];
  const index = rest[0] ?? 0;
  if (index < 16) return [index % 8, 2];
  if (index >= 232) return [null, 2];
  const cube = index - 16;
  return [nearest(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51), 2];
}

function nearest(red: number, green: number, blue: number): number | null {
  const most = Math.max(red, green, blue);
  const least = Math.min(red, green, blue);
  if (most - least < 48) return null;
  const middle = (most + least) / 2;
  return (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
}
