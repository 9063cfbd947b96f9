/** One terminal on screen: xterm.js, the key row, and on phones a native line to type in. */

import "@xterm/xterm/css/xterm.css";
import "./terminal.css";
import { useCallback, useEffect, useRef, useState } from "react";
import { client, useClient } from "~/app/client";
import { terminalText as text } from "~/text/terminal";
import { CopySheet } from "./CopySheet";
import { copyText, readClipboard } from "./clipboard";
import { InputLine } from "./InputLine";
import { KeyRow } from "./KeyRow";
import { type Modifiers, type RowKey, rowKey, typed } from "./keys";
import type { Screen } from "./screen";
import { FONT } from "./size";
import { Tools } from "./Tools";
import { useScreen } from "./useScreen";

const NOTHING_HELD: Modifiers = { ctrl: false, alt: false };

export default function TerminalView({ sessionId }: { sessionId: string }) {
  const state = useClient((all) => all.terminals.get(sessionId));
  const font = useClient((all) => all.settings.terminalFontSize);
  const touch = useTouch();
  const [line, setLine] = useState("");
  const [held, setHeld] = useState(NOTHING_HELD);
  const [sheet, setSheet] = useState<string>();
  const field = useRef<HTMLInputElement>(null);
  const heldNow = useRef(held);
  heldNow.current = held;

  const ready = state?.subscribed === true;
  const send = useCallback(
    (data: string) => {
      client.sendInput(sessionId, data);
      setHeld(NOTHING_HELD);
    },
    [sessionId],
  );
  const copy = useCallback((selected: string) => void copyOut(selected), []);
  const { host, screen } = useScreen({
    sessionId,
    font,
    nativeLine: touch,
    // A single character typed under the row's Ctrl or Alt; longer data comes from keys that know them already.
    typed: (data) => send(data.length === 1 ? typed(data, heldNow.current) : data),
    copy,
  });

  const press = (key: RowKey): void => {
    const now = screen.current;
    if (!now) return;
    // Tab completes what stands in the line, so the shell has to know it first.
    const before = key === "tab" ? line : "";
    if (before) setLine("");
    send(before + rowKey(key, held, now.applicationKeys));
  };
  const paste = async (): Promise<void> => {
    const clip = await readClipboard();
    if (clip === undefined) client.notice("error", text.pasteForbidden);
    else if (screen.current && clip !== "") send(screen.current.paste(clip));
    focus(touch, field.current, screen.current);
  };
  const copyFrom = (): void => {
    const now = screen.current;
    if (!now) return;
    if (now.terminal.hasSelection()) copy(now.terminal.getSelection());
    else setSheet(now.text());
  };

  return (
    <section className="terminal" aria-label={text.screen}>
      <Strip
        state={state}
        takeSize={() => {
          const size = screen.current?.ownSize();
          if (size) client.resize(sessionId, size.cols, size.rows);
        }}
      />
      <div ref={host} className="terminal-host" onClick={() => focus(touch, field.current, screen.current)} />
      <div className="terminal-foot">
        {touch && <InputLine field={field} value={line} change={setLine} held={held} send={send} ready={ready} />}
        <div className="terminal-bar">
          <KeyRow held={held} hold={(one) => setHeld((was) => ({ ...was, [one]: !was[one] }))} press={press} />
          <Tools
            font={font}
            size={(size) => client.set({ terminalFontSize: Math.min(FONT.largest, Math.max(FONT.smallest, size)) })}
            copy={copyFrom}
            paste={() => void paste()}
            repair={() => client.replay(sessionId)}
          />
        </div>
      </div>
      {sheet !== undefined && <CopySheet content={sheet} copy={copy} close={() => setSheet(undefined)} />}
    </section>
  );
}

interface StripProps {
  takeSize(): void;
  state: { isMaster: boolean | null; cols: number; rows: number; subscribed: boolean; repairing: boolean } | undefined;
}

/** What one has to know about the terminal, if anything. */
function Strip({ state, takeSize }: StripProps) {
  const passing = passingWords(state);
  const follows = state?.isMaster === false;
  return (
    <>
      {/* Over the screen, not above it: the terminal must not change its size for a moment's words. */}
      <p className="terminal-passing" role="status">
        {passing}
      </p>
      {follows && (
        <div className="terminal-strip">
          <span>{text.follower(state.cols, state.rows)}</span>
          <button type="button" onClick={takeSize}>
            {text.takeSize}
          </button>
        </div>
      )}
    </>
  );
}

function passingWords(state: StripProps["state"]): string {
  if (!state?.subscribed) return text.waiting;
  return state.repairing ? text.repairing : "";
}

async function copyOut(selected: string): Promise<void> {
  if (selected === "") return client.notice("info", text.nothingToCopy);
  const done = await copyText(selected);
  client.notice(done ? "info" : "error", done ? text.copied : text.copyForbidden);
}

function focus(touch: boolean, field: HTMLInputElement | null, screen: Screen | null): void {
  if (!touch) screen?.terminal.focus();
  else if (!window.getSelection()?.toString()) field?.focus();
}

/** Whether fingers are the main way to point here: then a keyboard on the glass composes text. */
function useTouch(): boolean {
  const [touch, setTouch] = useState(() => window.matchMedia("(pointer: coarse)").matches);
  useEffect(() => {
    const query = window.matchMedia("(pointer: coarse)");
    const change = (): void => setTouch(query.matches);
    query.addEventListener("change", change);
    return () => query.removeEventListener("change", change);
  }, []);
  return touch;
}
