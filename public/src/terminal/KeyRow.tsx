/** The keys that a phone's keyboard lacks, and the terminal's few tools. */

import { terminalText as text } from "~/text/terminal";
import type { Modifiers, RowKey } from "./keys";

export interface KeyRowProps {
  held: Modifiers;
  hold(modifier: keyof Modifiers): void;
  press(key: RowKey): void;
}

const KEYS: readonly { key: RowKey; face: string; label: string }[] = [
  { key: "left", face: "←", label: text.left },
  { key: "down", face: "↓", label: text.down },
  { key: "up", face: "↑", label: text.up },
  { key: "right", face: "→", label: text.right },
  { key: "home", face: "Home", label: text.home },
  { key: "end", face: "End", label: text.end },
  { key: "pageUp", face: "PgUp", label: text.pageUp },
  { key: "pageDown", face: "PgDn", label: text.pageDown },
];

export function KeyRow({ held, hold, press }: KeyRowProps) {
  return (
    <div className="terminal-keys" role="toolbar" aria-label={text.keys}>
      <Key face={text.escape} label={text.escape} on={() => press("escape")} />
      <Key face={text.tab} label={text.tab} on={() => press("tab")} />
      <Key face={text.ctrl} label={text.ctrl} on={() => hold("ctrl")} pressed={held.ctrl} />
      <Key face={text.alt} label={text.alt} on={() => hold("alt")} pressed={held.alt} />
      {KEYS.map(({ key, face, label }) => (
        <Key key={key} face={face} label={label} on={() => press(key)} />
      ))}
    </div>
  );
}

interface KeyProps {
  face: string;
  label: string;
  on(): void;
  pressed?: boolean;
}

function Key({ face, label, on, pressed }: KeyProps) {
  return (
    <button
      type="button"
      className="terminal-key"
      aria-label={label}
      aria-pressed={pressed}
      // The keyboard must stay where it is: a press takes no focus.
      onPointerDown={(event) => event.preventDefault()}
      onClick={on}
    >
      {face}
    </button>
  );
}
