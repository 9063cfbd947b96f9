/**
 * The native line on phones: an ordinary field, with the keyboard's suggestions out of the way, because
 * xterm.js garbles what Android keyboards compose. Enter sends the line; keys that only a terminal has a use for go to it.
 */

import { type KeyboardEvent, type RefObject, useEffect, useRef } from "react";
import { terminalText as text } from "~/text/terminal";
import { cleaned } from "./clean";
import { forTerminal } from "./hardware";
import { insertedBefore } from "./inserted";
import { type Modifiers, typed } from "./keys";

/** Milliseconds within which a keyboard may commit again what was taken out of its composition. */
const COMMITS_WITHIN = 1_000;

export interface InputLineProps {
  field: RefObject<HTMLInputElement | null>;
  value: string;
  change(value: string): void;
  held: Modifiers;
  send(data: string): void;
  /** Text from outside that is more than one line. `before` and `after` are the line around the caret. */
  paste(text: string, before: string, after: string): void;
  /** A key for the terminal. */
  keyPressed(event: globalThis.KeyboardEvent): void;
  /** Somebody is there to take what is typed; until then the line keeps it. */
  ready: boolean;
}

export function InputLine(props: InputLineProps) {
  const { field, value, change, held, send, keyPressed, ready } = props;
  const taken = useRef({ text: "", at: 0 });
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const input = field.current;
    if (!input) return;
    const forgetTaken = (): void => void (taken.current.text = "");
    const before = (event: InputEvent): void => beforeInput(event, latest.current, takenAgain(taken.current, event.timeStamp));
    const bring = (event: ClipboardEvent | DragEvent): void => bringIn(event, input, latest.current);
    input.addEventListener("compositionstart", forgetTaken);
    input.addEventListener("beforeinput", before);
    input.addEventListener("paste", bring);
    input.addEventListener("drop", bring);
    return () => {
      input.removeEventListener("compositionstart", forgetTaken);
      input.removeEventListener("beforeinput", before);
      input.removeEventListener("paste", bring);
      input.removeEventListener("drop", bring);
    };
  }, [field]);

  /** What `beforeinput` could not stop: letters in composition. They never enter the line under Ctrl or Alt. */
  const edited = (input: HTMLInputElement, at: number): void => {
    const added = insertedBefore(input.selectionStart ?? input.value.length, value, input.value);
    const again = takenAgain(taken.current, at)(added);
    if (!again && !(ready && (held.ctrl || held.alt) && added !== "")) return change(cleaned(input.value));
    const caret = (input.selectionStart ?? 0) - added.length;
    // React puts the old text back in a moment, and the caret at its end.
    queueMicrotask(() => input.setSelectionRange(caret, caret));
    if (again) return;
    taken.current = { text: added, at };
    send(typed(added, held));
  };
  const keyed = (event: KeyboardEvent<HTMLInputElement>): void => {
    const input = event.currentTarget;
    const pressed = { ...pick(event), altGraph: event.getModifierState("AltGraph") };
    if (!ready || !forTerminal(pressed, value, input.selectionStart !== input.selectionEnd)) return;
    event.preventDefault();
    keyPressed(event.nativeEvent);
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
        onChange={(event) => edited(event.currentTarget, event.timeStamp)}
        onKeyDown={keyed}
      />
      <button type="submit" className="terminal-key" aria-label={text.enter} onPointerDown={(event) => event.preventDefault()}>
        ⏎
      </button>
    </form>
  );
}

const pick = ({ key, code, ctrlKey, altKey, metaKey }: KeyboardEvent) => ({ key, code, ctrlKey, altKey, metaKey });

function beforeInput(event: InputEvent, { ready, held, send, ...line }: InputLineProps, again: (text: string) => boolean): void {
  const data = event.data ?? "";
  if (!event.cancelable || data === "") return;
  if (again(data)) return event.preventDefault();
  if (/[\r\n]/.test(data)) {
    event.preventDefault();
    line.paste(data, ...around(event.target as HTMLInputElement));
  } else if (ready && (held.ctrl || held.alt)) {
    event.preventDefault();
    send(typed(data, held));
  }
}

/** Keyboards commit what they composed; what was sent out of the composition must not come a second time. */
function takenAgain(taken: { text: string; at: number }, now: number): (text: string) => boolean {
  return (text) => {
    const again = text !== "" && text === taken.text && now - taken.at < COMMITS_WITHIN;
    if (again) taken.text = "";
    return again;
  };
}

/** Pasted and dropped text. A field of one line would make one command of several. */
function bringIn(event: ClipboardEvent | DragEvent, input: HTMLInputElement, { paste }: InputLineProps): void {
  const from = "clipboardData" in event ? event.clipboardData : event.dataTransfer;
  const raw = from?.getData("text/plain") ?? "";
  event.preventDefault();
  if (raw === "") return;
  input.focus();
  const clean = cleaned(raw);
  if (clean.includes("\n")) paste(raw, ...around(input));
  else document.execCommand("insertText", false, clean);
}

function around(input: HTMLInputElement): [before: string, after: string] {
  const { value, selectionStart, selectionEnd } = input;
  return [value.slice(0, selectionStart ?? value.length), value.slice(selectionEnd ?? value.length)];
}
