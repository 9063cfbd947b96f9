/** A tool the agent used: which, on what, and how it went; input and output on demand. */

import { useState } from "react";
import type { ContentBlock } from "~/protocol/blocks";
import { chat as text } from "~/text/chat";
import { Icon, Spinner } from "~/ui/icons";
import { Disclosure } from "./Disclosure";
import { brief, pretty } from "./toolText";

/** Characters shown before the reader asks for all. */
const SHOWN = 4_000;

export function ToolPart({ artifact }: { artifact?: unknown }) {
  const block = artifact as ContentBlock | undefined;
  if (block?.kind !== "tool") return null;
  return (
    <Disclosure
      summary={
        <>
          <State status={block.status} />
          <span className="shrink-0 font-medium">{block.name}</span>
          <span className="min-w-0 flex-1 truncate font-mono text-xs text-muted">{brief(block.input)}</span>
        </>
      }
    >
      {() => (
        <div className="space-y-2.5">
          {block.input && <Value label={text.toolInput} value={pretty(block.input)} />}
          {block.output && <Value label={text.toolOutput} value={pretty(block.output)} />}
          {!block.input && !block.output && <p className="text-sm text-muted">{block.content}</p>}
        </div>
      )}
    </Disclosure>
  );
}

function State({ status }: { status: "running" | "completed" | "failed" }) {
  if (status === "running") {
    return (
      <span className="text-accent">
        <Spinner size={16} />
        <span className="sr-only">{text.toolRunning}</span>
      </span>
    );
  }
  const failed = status === "failed";
  return (
    <span className={failed ? "text-danger" : "text-ok"}>
      <Icon name={failed ? "close" : "check"} size={16} />
      <span className="sr-only">{failed ? text.toolFailed : text.toolDone}</span>
    </span>
  );
}

function Value({ label, value }: { label: string; value: string }) {
  const [all, setAll] = useState(false);
  const more = value.length - SHOWN;
  return (
    <div>
      <div className="mb-1 text-xs font-medium text-muted">{label}</div>
      <pre tabIndex={0} className="max-h-96 overflow-auto rounded-lg bg-sunken px-3 py-2 font-mono text-xs leading-relaxed whitespace-pre-wrap">
        {all || more <= 0 ? value : value.slice(0, SHOWN)}
      </pre>
      {more > 0 && !all && (
        <button type="button" className="min-h-11 text-sm font-medium text-accent" onClick={() => setAll(true)}>
          {text.showMore} <span className="font-normal text-muted">{text.moreCharacters(more)}</span>
        </button>
      )}
    </div>
  );
}
