/** What a tool got or gave: in mono, in its colours, long ones in part. */

import { useMemo } from "react";
import { useCopy } from "~/app/clipboard";
import { chat as text } from "~/text/chat";
import { common } from "~/text/common";
import { Icon } from "~/ui/icons";
import { AnsiText } from "../AnsiText";
import { endFrom, settled, withoutAnsi } from "../ansi";
import { beginning } from "../beginning";
import { Folded } from "../Folded";

export function Output({ label, value, end = false }: { label: string; value: string; end?: boolean }) {
  const whole = useMemo(() => settled(value), [value]);
  const { done, copy } = useCopy();
  const name = done ? common.copied : text.copyOutput(label, beginning(withoutAnsi(whole)));
  return (
    <div>
      <div className="mb-1 flex items-center text-xs font-medium text-muted select-none">
        <span className="flex-1">{label}</span>
        <button type="button" aria-label={name} title={name} onClick={() => copy(withoutAnsi(whole))} className="relative flex h-6 min-w-6 items-center justify-center gap-1 rounded-md before:absolute before:-inset-2.5 hover:bg-hover hover:text-text">
          <Icon name={done ? "check" : "copy"} size={14} />
          {done && common.copied}
        </button>
      </div>
      <Folded text={whole} end={end}>
        {(part) => (
          <pre
            tabIndex={0}
            dir="ltr"
            aria-label={label}
            role="group"
            className="max-h-[min(70vh,40rem)] overflow-auto rounded-lg bg-sunken px-3 py-2 font-mono text-xs leading-relaxed whitespace-pre-wrap [overflow-wrap:anywhere]"
          >
            <AnsiText text={end ? endFrom(whole, whole.length - part.length) : part} />
          </pre>
        )}
      </Folded>
    </div>
  );
}

export function Command({ command, output, exit }: { command: string; output: string; exit: number | null }) {
  return (
    <div className="space-y-2.5">
      <Output label={text.command} value={command} />
      {output && <Output label={text.toolOutput} value={output} end />}
      {exit !== null && exit !== 0 && <p className="text-xs font-medium text-danger">{text.exitCode(exit)}</p>}
    </div>
  );
}
