/** The lines that differ between two texts, with a little around them; work and size are bounded. */

import { diffArrays } from "diff";
import { withoutControls } from "~/protocol/controls";
import type { FileChange } from "./toolView";

export interface Line {
  /** `skip` stands for unchanged lines that are not shown; its text is their number. */
  kind: "same" | "added" | "removed" | "skip";
  text: string;
}

export interface FileDiff {
  path: string;
  kind: FileChange["kind"];
  lines: Line[];
  added: number;
  removed: number;
}

/** Unchanged lines shown around a change. */
const AROUND = 3;
/** Edits looked for before a pair counts as replaced altogether. */
const EDITS_MOST = 400;
/** Milliseconds for one pair. */
const TIME_MOST = 60;
/** Lines kept per file. */
const LINES_MOST = 20_000;
/** One line of more than this is cut: nobody reads it. */
const LINE_LENGTH = 2_000;

const known = new WeakMap<FileChange, FileDiff>();

/** Return the same diff for the same change: it is asked for by the line with the counts and by the lines below it. */
export function diffOf(file: FileChange): FileDiff {
  const before = known.get(file);
  if (before) return before;
  const all = file.pairs.map(({ before, after }) => compare(before, after));
  const lines = all.flatMap((each, index) => (index > 0 ? [{ kind: "skip", text: "" } as Line, ...shortened(each)] : shortened(each)));
  const count = (kind: Line["kind"]) => all.reduce((sum, each) => sum + each.filter((line) => line.kind === kind).length, 0);
  const made = { path: file.path, kind: file.kind, lines: lines.slice(0, LINES_MOST), added: count("added"), removed: count("removed") };
  known.set(file, made);
  return made;
}

function compare(before: string, after: string): Line[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  const changes = diffArrays(old, fresh, { maxEditLength: EDITS_MOST, timeout: TIME_MOST });
  if (!changes) return [...old.map((text) => line("removed", text)), ...fresh.map((text) => line("added", text))];
  return changes.flatMap(({ added, removed, value }) => value.map((text) => line(added ? "added" : removed ? "removed" : "same", text)));
}

const line = (kind: Line["kind"], text: string): Line => ({ kind, text: withoutControls(text.length > LINE_LENGTH ? `${text.slice(0, LINE_LENGTH)}…` : text) });

/** A line break at the end ends the last line and begins none. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  return text.replace(/\n$/, "").split("\n");
}

/** Long stretches without a change become one line that counts them. */
function shortened(lines: Line[]): Line[] {
  const shown = new Set<number>();
  lines.forEach(({ kind }, at) => {
    if (kind !== "same") for (let near = at - AROUND; near <= at + AROUND; near += 1) shown.add(near);
  });
  const out: Line[] = [];
  let skipped = 0;
  const flush = () => {
    if (skipped > 0) out.push({ kind: "skip", text: String(skipped) });
    skipped = 0;
  };
  lines.forEach((each, at) => {
    if (!shown.has(at)) return void (skipped += 1);
    flush();
    out.push(each);
  });
  flush();
  return out;
}
