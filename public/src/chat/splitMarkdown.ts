/** Cuts Markdown into pieces that can be read one by one: at blank lines where nothing spans the cut. */

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
/** A line that may belong to what came before a blank line: lists, indented text, quotes, tables, footnotes. */
const GOES_ON = /^(\s|[-+*]\s|[>|]|\d+[.)]\s|\[\^?[^\]]+\]:)/;

export function splitMarkdown(text: string): string[] {
  // References may point anywhere in the text; such a text is read as one.
  if (/^\s{0,3}\[[^\]]+\]:/m.test(text)) return [text];
  const pieces: string[] = [];
  let piece: string[] = [];
  let fence = "";
  let folds = 0;
  let blank = false;
  for (const line of text.split("\n")) {
    if (blank && !fence && folds === 0 && line.trim() !== "" && !GOES_ON.test(line) && piece.length > 0) {
      pieces.push(piece.join("\n"));
      piece = [];
    }
    fence = fenceAfter(fence, line);
    if (!fence) folds = foldsAfter(folds, line);
    blank = line.trim() === "";
    piece.push(line);
  }
  pieces.push(piece.join("\n"));
  return pieces;
}

/** How many `<details>` are open after this line: their blank lines are no cuts. */
function foldsAfter(folds: number, line: string): number {
  let open = folds;
  for (const [, close] of line.matchAll(/<(\/?)details\b[^<>]*>/gi)) open = Math.max(0, open + (close ? -1 : 1));
  return open;
}

function fenceAfter(fence: string, line: string): string {
  const mark = FENCE.exec(line)?.[1];
  if (!mark) return fence;
  if (!fence) return mark;
  return mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark ? "" : fence;
}
