/** Font size, copy, paste, a fresh drawing of the screen, and the row of keys. */

import { terminalText as text } from "~/text/terminal";

export interface ToolsProps {
  font: number;
  size(size: number): void;
  /** Absent, as the next, where the row of keys has it. */
  copy?: (() => void) | undefined;
  paste?: (() => void) | undefined;
  snippets?: (() => void) | undefined;
  repair(): void;
  /** Whether the row of keys is shown; absent where it always is. */
  keys?: boolean | undefined;
  showKeys(shown: boolean): void;
  /** Absent while there is no row to put in order. */
  order?: (() => void) | undefined;
}

export function Tools({ font, size, copy, paste, snippets, repair, keys, showKeys, order }: ToolsProps) {
  return (
    <div className="terminal-tools" role="group" aria-label={text.tools}>
      {copy && <Tool face={text.copy} label={text.copy} on={copy} />}
      {paste && <Tool face={text.paste} label={text.paste} on={paste} />}
      {snippets && <Tool face={text.rowKeys.snippets.face} label={text.snippets} on={snippets} />}
      <Tool face="A−" label={text.smaller} on={() => size(font - 1)} />
      <Tool face="A+" label={text.larger} on={() => size(font + 1)} />
      <Tool face="↻" label={text.repair} on={repair} />
      {order && <Tool face="⇄" label={text.order} on={order} />}
      {keys !== undefined && <Tool face="⌨" label={text.showKeys} on={() => showKeys(!keys)} pressed={keys} />}
    </div>
  );
}

function Tool({ face, label, on, pressed }: { face: string; label: string; on(): void; pressed?: boolean }) {
  return (
    <button
      type="button"
      className="terminal-key"
      aria-label={label}
      aria-pressed={pressed}
      title={label}
      onPointerDown={(event) => event.preventDefault()}
      onClick={on}
    >
      {face}
    </button>
  );
}
