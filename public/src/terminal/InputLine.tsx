/**
 * The native line on phones: an ordinary field, with the keyboard's suggestions out of the way, because
 * xterm.js garbles what Android keyboards compose. Enter sends the line; single keys go at once.
 */

import type { KeyboardEvent, RefObject } from "react";
import { terminalText as text } from "~/text/terminal";
import { type Modifiers, typed } from "./keys";

export interface InputLineProps {
  field: RefObject<HTMLInputElement | null>;
  value: string;
  change(value: string): void;
  held: Modifiers;
  send(data: string): void;
  /** Somebody is there to take what is typed; until then the line keeps it. */
  ready: boolean;
}

export function InputLine({ field, value, change, held, send, ready }: InputLineProps) {
  const edited = (next: string): void => {
    const added = next.slice(value.length);
    // Under Ctrl or Alt the character goes at once and never enters the line, even while it is composed.
    if (ready && (held.ctrl || held.alt) && added !== "") send(typed(added, held));
    else change(next);
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Backspace" && value === "") {
      event.preventDefault();
      send("\x7f");
    }
  };

  return (
    <form
      className="terminal-line"
      onSubmit={(event) => {
        event.preventDefault();
        if (!ready) return;
        send(`${value}\r`);
        change("");
      }}
    >
      <input
        ref={field}
        type="text"
        value={value}
        aria-label={text.line}
        placeholder={text.line}
        autoCapitalize="none"
        autoComplete="off"
        autoCorrect="off"
        spellCheck={false}
        enterKeyHint="send"
        onChange={(event) => edited(event.currentTarget.value)}
        onKeyDown={keyed}
      />
      <button type="submit" className="terminal-key" aria-label={text.enter} onPointerDown={(event) => event.preventDefault()}>
        ⏎
      </button>
    </form>
  );
}
