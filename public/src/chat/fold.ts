/** Long text is shown in part: its beginning, or its end where the end says most. */

/** Lines above which a text is folded, and how many of them a folded one shows. */
const LINES_MOST = 15;
const LINES_SHOWN = 12;
/** Characters, for texts of few but endless lines. */
const LENGTH_MOST = 4_000;

/** Return the part of `text` that is shown while it is folded and its number of lines; null: it is short enough. */
export function folded(text: string, end = false): { part: string; lines: number } | null {
  const breaks = lineBreaks(text);
  if (breaks.length < LINES_MOST && text.length <= LENGTH_MOST) return null;
  const lines = breaks.length + (text.endsWith("\n") ? 0 : 1);
  const part = end ? ending(text, breaks) : text.slice(0, Math.min(breaks[LINES_SHOWN - 1] ?? LENGTH_MOST, LENGTH_MOST));
  // Not through the middle of a character of two units.
  return { part: part.replace(/[\ud800-\udbff]$|^[\udc00-\udfff]/g, ""), lines };
}

function ending(text: string, breaks: number[]): string {
  const last = text.endsWith("\n") ? LINES_SHOWN + 1 : LINES_SHOWN;
  const from = (breaks.at(-last) ?? -1) + 1;
  return text.slice(Math.max(from, text.length - LENGTH_MOST));
}

function lineBreaks(text: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) found.push(at);
  return found;
}
