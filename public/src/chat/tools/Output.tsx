/** What a tool got or gave: in mono, in its colours, long ones in part. */

import { useMemo } from "react";
import { chat as text } from "~/text/chat";
import { AnsiText } from "../AnsiText";
import { endFrom, settled } from "../ansi";
import { Folded } from "../Folded";

export function Output({ label, value, end = false }: { label: string; value: string; end?: boolean }) {
  const whole = useMemo(() => settled(value), [value]);
  return (
    <div>
      <div className="mb-1 text-xs font-medium text-muted">{label}</div>
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
