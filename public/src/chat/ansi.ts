/** Terminal output as runs of text: colours and weights are kept, every other control is dropped. */

/** A piece of text of one look; `look` is a list of CSS classes, empty for plain text. `href`: the address it leads to. */
export interface Run {
  text: string;
  look: string;
  href?: string;
}

/** Runs per text: what changes its colour more often than that goes on plain. */
const RUNS_MOST = 5_000;

/** In this order: colours and weights (SGR), links, other sequences, commands to the terminal that end in BEL or ST, other escapes. */
const SEQUENCE =
  /(?:\x1b\[|\x9b)([\d;:]*)m|\x1b\]8;[^;\x07\x1b\x9c\n]{0,200};([^\x07\x1b\x9c\n]*)(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]{0,8}[0-~]?/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** Controls that write over what stands already: backspace, a return within a line, the cursor's way up. */
const MOVES = /[\b]|\r(?!\n)|\x1b\[\d*[AF]/;
/** Styles that can be in force at one place. */
const STYLES_MOST = 16;
/** What a control character looks like: most texts have none and are left alone. */
const ANY = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

interface Style {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  struck: boolean;
  inverse: boolean;
  colour: number | null;
}

const PLAIN: Style = { bold: false, dim: false, italic: false, underline: false, struck: false, inverse: false, colour: null };

export function hasControls(text: string): boolean {
  return ANY.test(text);
}

/** Return `text` without controls; tabs and line breaks stay. */
export function withoutAnsi(text: string): string {
  return ANY.test(text) ? settled(text).replace(SEQUENCE, "").replace(CONTROLS, "") : text;
}

/** Code between fences in Markdown, also where the last fence is still to come. */
const FENCED = /^ {0,3}(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^ {0,3}\1[`~]*[ \t]*$|(?![\s\S]))/gm;

/** Return Markdown without controls outside of its code blocks, which show them as colours. */
export function proseWithoutAnsi(text: string): string {
  if (!ANY.test(text)) return text;
  let out = "";
  let from = 0;
  for (const match of text.matchAll(FENCED)) {
    out += withoutAnsi(text.slice(from, match.index)) + match[0];
    from = match.index + match[0].length;
  }
  return out + withoutAnsi(text.slice(from));
}

/** Return the runs of `text`, at most `RUNS_MOST`. */
export function readAnsi(text: string): Run[] {
  if (!ANY.test(text)) return text ? [{ text, look: "" }] : [];
  const runs: Run[] = [];
  const source = settled(text);
  let style = PLAIN;
  let href = "";
  let from = 0;
  for (const match of source.matchAll(SEQUENCE)) {
    add(runs, source.slice(from, match.index), lookOf(style), href);
    from = match.index + match[0].length;
    if (runs.length >= RUNS_MOST) break;
    if (match[1] !== undefined) style = restyled(style, match[1]);
    if (match[2] !== undefined) href = /^https?:\/\//i.test(match[2]) ? match[2] : "";
  }
  if (runs.length < RUNS_MOST) add(runs, source.slice(from), lookOf(style), href);
  else add(runs, withoutAnsi(source.slice(from)), "", "");
  return runs;
}

/** Return `text` from `at` on, in the style that is in force there. A sequence that `at` cuts through is left out. */
export function endFrom(text: string, at: number): string {
  const styles: string[] = [];
  let from = at;
  for (const match of text.matchAll(SEQUENCE)) {
    if (match.index >= at) break;
    if (match[1] !== undefined) styles.push(match[0]);
    from = Math.max(at, match.index + match[0].length);
  }
  return styles.slice(-STYLES_MOST).join("") + text.slice(from);
}

/** The pieces in which `settled` goes over a text: a sequence, a line break, a move, other text. */
const PIECE = new RegExp(`${SEQUENCE.source}|[\\n\\r\\b]|[^\\n\\r\\b\\x1b\\x90-\\x9f]+|[^]`, "g");

/**
 * Return `text` as it stands once all was written: a carriage return begins its line anew and the cursor's way up an earlier one,
 * as progress bars do; a backspace takes a character back. Piece by piece: regular expressions that fit go over a long line again and again.
 */
export function settled(text: string): string {
  if (!MOVES.test(text)) return text;
  const lines: string[][] = [[]];
  let row = 0;
  /** The next text replaces the line. */
  let over = false;
  for (const [piece] of text.matchAll(PIECE)) {
    if (piece === "\n") {
      if (++row === lines.length) lines.push([]);
      over = lines[row]!.length > 0;
    } else if (piece === "\r") over = true;
    else if (piece === "\b") takeBack(lines[row]!);
    else {
      const up = /^\x1b\[(\d*)[AF]$/.exec(piece);
      if (up) row = Math.max(0, row - (Number(up[1]) || 1));
      else if (over) lines[row] = lines[row]!.filter(isStyle).slice(-STYLES_MOST);
      if (!up) lines[row]!.push(piece);
      over = up !== null;
    }
  }
  return lines.map((line) => line.join("")).join("\n");
}

const isStyle = (piece: string): boolean => /^(?:\x1b\[|\x9b)[\d;:]*m$/.test(piece);

function takeBack(line: string[]): void {
  const nearest = Math.max(0, line.length - STYLES_MOST);
  const at = nearest + line.slice(nearest).findLastIndex((piece) => !/^[\x1b\x90-\x9f]/.test(piece));
  if (at < nearest) return;
  const rest = line[at]!.slice(0, /^[\udc00-\udfff]/.test(line[at]!.slice(-1)) ? -2 : -1);
  if (rest === "") line.splice(at, 1);
  else line[at] = rest;
}

function add(runs: Run[], piece: string, look: string, href: string): void {
  const text = piece.replace(CONTROLS, "");
  if (text === "") return;
  const last = runs.at(-1);
  if (last?.look === look && (last.href ?? "") === href) last.text += text;
  else runs.push(href ? { text, look, href } : { text, look });
}

function lookOf({ bold, dim, italic, underline, struck, inverse, colour }: Style): string {
  const looks = [
    colour !== null && `ansi-${colour}`,
    bold && "font-semibold",
    dim && "ansi-dim",
    italic && "italic",
    underline && "underline",
    struck && "line-through",
    inverse && "ansi-inverse",
  ];
  return looks.filter(Boolean).join(" ");
}

type Flag = Exclude<keyof Style, "colour">;

const ON: Record<number, Flag> = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck", 21: "underline" };
const OFF: Record<number, Flag[]> = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["struck"] };

function restyled(before: Style, codes: string): Style {
  let style = { ...before };
  const all = codes.slice(0, CODES_MOST).split(";");
  for (let at = 0; at < all.length; at += 1) {
    // With colons a code brings its own details: `4:3` is one way to underline, not italics.
    const [code = 0, ...details] = all[at]!.split(":").map(Number);
    if (code === 0) style = { ...PLAIN };
    else if (ON[code]) style[ON[code]] = details[0] !== 0;
    else if (OFF[code]) for (const flag of OFF[code]) style[flag] = false;
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style.colour = code % 10;
    else if (code === 39) style.colour = null;
    else if (code === 38 || code === 48 || code === 58) {
      const own = details.length > 0;
      const [colour, taken] = extended(own ? withoutSpace(details) : all.slice(at + 1).map(Number));
      // Backgrounds and the colours of lines are dropped: with our own colours they would not be readable.
      if (code === 38) style.colour = colour;
      if (!own) at += taken;
    }
  }
  return style;
}

/** Characters of one sequence that are read. */
const CODES_MOST = 128;

/** `2:<colour space>:red:green:blue`, where most leave the space empty, and some out. */
const withoutSpace = (details: number[]): number[] => (details[0] === 2 && details.length > 4 ? [2, ...details.slice(2)] : details);

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
