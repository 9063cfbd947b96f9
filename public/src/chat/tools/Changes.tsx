/** Changed files: counts beside the name, the lines below. */

import { useMemo, useState } from "react";
import { chat as text } from "~/text/chat";
import { Disclosure } from "../parts/Disclosure";
import { PathButton } from "../PathButton";
import { diffOf, type FileDiff, type Line } from "./diff";
import type { FileChange } from "./toolView";

/** Lines shown before the reader asks for all. */
const SHOWN = 200;

/** All files together, for the line that stands for the closed tool. */
export function Counts({ files }: { files: FileChange[] }) {
  const diffs = useMemo(() => files.map(diffOf), [files]);
  const sum = (count: (diff: FileDiff) => number) => diffs.reduce((total, diff) => total + count(diff), 0);
  return <Numbers added={sum((diff) => diff.added)} removed={sum((diff) => diff.removed)} />;
}

export function Changes({ files }: { files: FileChange[] }) {
  const [only, ...more] = files;
  if (only && more.length === 0) return <File diff={diffOf(only)} named />;
  return (
    <div>
      {files.map((file, index) => (
        <Disclosure key={index} name={`file ${file.path}`} text={() => file.pairs.map(({ before, after }) => `${before}\n${after}`).join("\n")} summary={<Head diff={diffOf(file)} />}>
          {() => <File diff={diffOf(file)} named />}
        </Disclosure>
      ))}
    </div>
  );
}

function Head({ diff }: { diff: FileDiff }) {
  return (
    <>
      <span dir="ltr" className="min-w-0 flex-1 truncate font-mono text-xs">
        {diff.path}
      </span>
      {diff.kind !== "edit" && <span className="text-xs text-muted">{text.changeKind[diff.kind]}</span>}
      <Numbers added={diff.added} removed={diff.removed} />
    </>
  );
}

function Numbers({ added, removed }: { added: number; removed: number }) {
  return (
    <span className="shrink-0 font-mono text-xs">
      <span aria-hidden="true">
        <span className="text-ok">+{added.toLocaleString()}</span> <span className="text-danger">−{removed.toLocaleString()}</span>
      </span>
      <span className="sr-only">{text.lines(added, removed)}</span>
    </span>
  );
}

function File({ diff, named }: { diff: FileDiff; named: boolean }) {
  const [all, setAll] = useState(false);
  const shown = all ? diff.lines : diff.lines.slice(0, SHOWN);
  return (
    <div className="space-y-1.5">
      {named && <PathButton path={diff.path} className="min-h-8 text-xs text-muted" />}
      <div role="group" aria-label={text.diff(diff.path)} tabIndex={0} dir="ltr" className="diff max-h-[min(70vh,40rem)] overflow-auto rounded-lg border border-line bg-sunken font-mono text-xs leading-relaxed">
        <div className="w-max min-w-full py-1">
          {shown.map((line, index) => (
            <Row key={index} line={line} />
          ))}
        </div>
      </div>
      {shown.length < diff.lines.length && (
        <button type="button" className="min-h-11 text-sm font-medium text-accent" onClick={() => setAll(true)}>
          {text.showAll(diff.lines.length)}
        </button>
      )}
    </div>
  );
}

const SIGNS: Record<Line["kind"], string> = { same: " ", added: "+", removed: "−", skip: "" };

function Row({ line }: { line: Line }) {
  if (line.kind === "skip") return <div className="px-3 py-0.5 text-muted select-none">⋯ {text.unchanged(line.text)}</div>;
  return (
    <div data-line={line.kind} className="flex px-3 whitespace-pre">
      <span aria-hidden="true" className="w-4 shrink-0 select-none">
        {SIGNS[line.kind]}
      </span>
      {line.kind === "added" ? <ins>{line.text}</ins> : line.kind === "removed" ? <del>{line.text}</del> : <span>{line.text}</span>}
    </div>
  );
}
