/** Font size, copy, paste and a fresh drawing of the screen. */

import { terminalText as text } from "~/text/terminal";

export interface ToolsProps {
  font: number;
  size(size: number): void;
  copy(): void;
  paste(): void;
  repair(): void;
}

export function Tools({ font, size, copy, paste, repair }: ToolsProps) {
  return (
    <div className="terminal-tools">
      <Tool face={text.copy} label={text.copy} on={copy} />
      <Tool face={text.paste} label={text.paste} on={paste} />
      <Tool face="A−" label={text.smaller} on={() => size(font - 1)} />
      <Tool face="A+" label={text.larger} on={() => size(font + 1)} />
      <Tool face="↻" label={text.repair} on={repair} />
    </div>
  );
}

function Tool({ face, label, on }: { face: string; label: string; on(): void }) {
  return (
    <button
      type="button"
      className="terminal-key"
      aria-label={label}
      title={label}
      onPointerDown={(event) => event.preventDefault()}
      onClick={on}
    >
      {face}
    </button>
  );
}
