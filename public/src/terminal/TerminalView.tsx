/** One terminal on screen: xterm.js, its tools, and on phones a native line to type in and a row of keys. */

import "@xterm/xterm/css/xterm.css";
import "./terminal.css";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { client, useClient } from "~/app/client";
import { toClipboard } from "~/app/clipboard";
import { mayType } from "~/store/scope";
import { terminalText as text } from "~/text/terminal";
import { Icon } from "~/ui/icons";
import { letterOf } from "~/ui/letters";
import { CopySheet } from "./CopySheet";
import { readClipboard } from "./clipboard";
import { InputLine } from "./InputLine";
import { KeyRow } from "./KeyRow";
import { characterOf, isCharacter, type RowKey, rowKey, typed } from "./keys";
import { ordered } from "./order";
import type { Screen } from "./screen";
import type { Snippet } from "./snippets";
import { FONT } from "./size";
import { held, NOTHING_HELD, tapped, used } from "./sticky";
import { Tools } from "./Tools";
import { useScreen } from "./useScreen";

const FindBar = lazy(() => import("./FindBar"));
const LinksSheet = lazy(() => import("./LinksSheet"));
const SnippetSheet = lazy(() => import("./SnippetSheet"));
const OrderSheet = lazy(() => import("./OrderSheet"));

export interface TerminalViewProps {
  sessionId: string;
  /** Where the tools go at a desk: the terminal has the whole height then. */
  toolbar: HTMLElement | null;
  /** What is open over the screen. */
  panel: Panel;
  show(panel: Panel): void;
  ended?: boolean;
}

export type Panel = "find" | "links" | null;

export default function TerminalView({ sessionId, toolbar, panel, show, ended = false }: TerminalViewProps) {
  const state = useClient((all) => all.terminals.get(sessionId));
  const { terminalFontSize: font, terminalKeyOrder: wished, terminalKeyRow: wanted } = useClient((all) => all.settings);
  const order = useMemo(() => ordered(wished), [wished]);
  const touch = useTouch();
  const types = useClient(mayType);
  const [line, setLine] = useLine(sessionId);
  const [sticky, setSticky] = useState(NOTHING_HELD);
  const [sheet, setSheet] = useState<string>();
  const [ordering, setOrdering] = useState(false);
  const [choosing, setChoosing] = useState(false);
  const [away, setAway] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const stickyNow = useRef(sticky);
  stickyNow.current = sticky;

  const ready = state?.subscribed === true && types && !ended;
  const send = useCallback(
    (data: string) => {
      client.sendInput(sessionId, data);
      setSticky(used);
    },
    [sessionId],
  );
  const copy = useCallback((selected: string) => void copyOut(selected), []);
  const paste = (clip: string): void => {
    if (screen.current && ready && clip !== "") send(screen.current.paste(clip));
  };
  const { host, screen } = useScreen({
    sessionId,
    font,
    nativeLine: touch,
    // A single character typed under the row's Ctrl or Alt; longer data comes from keys that know them already.
    typed: (data) => send(data.length === 1 ? typed(data, held(stickyNow.current)) : data),
    held: () => held(stickyNow.current),
    copy,
    paste,
    swipe: (key) => press(key),
    away: setAway,
  });

  /** What stands in the native line goes first, as if it had been typed into the terminal. */
  const flush = (): string => {
    setLine("");
    return line;
  };
  const press = (key: RowKey): void => {
    const now = screen.current;
    if (!now || !ready) return;
    const modifiers = held(sticky);
    const writes = isCharacter(key) && !modifiers.ctrl && !modifiers.alt;
    if (writes && touch) return insert(field.current, characterOf(key));
    // Ctrl+C gives up the line, at a prompt as here.
    const before = key === "interrupt" ? (setLine(""), "") : isCharacter(key) ? "" : flush();
    send(before + rowKey(key, modifiers, now.applicationKeys));
  };
  const pressed = (event: KeyboardEvent): void => {
    const interrupt = event.ctrlKey && letterOf(event) === "c";
    const before = flush();
    if (before !== "" && !interrupt) send(before);
    screen.current?.key(event, held(sticky));
  };
  const pasteLines = (clip: string, before: string, after: string): void => {
    if (!ready || !screen.current) return;
    send(before + screen.current.paste(clip));
    setLine(after);
  };
  const pasteClipboard = async (): Promise<void> => {
    const clip = await readClipboard();
    if (clip === undefined) client.notice("error", text.pasteForbidden);
    else paste(clip);
    focus(touch, field.current, screen.current);
  };
  const sendSnippet = (snippet: Snippet): void => {
    if (ready && screen.current) send(flush() + screen.current.paste(snippet.text) + (snippet.enter ? "\r" : ""));
    focus(touch, field.current, screen.current);
  };
  const copyFrom = (): void => {
    const now = screen.current;
    if (!now) return;
    if (now.terminal.hasSelection()) copy(now.terminal.getSelection());
    else setSheet(now.text());
  };
  const closePanel = (): void => {
    show(null);
    focus(touch, field.current, screen.current);
  };
  useFocusOnKey(touch, field);
  useFindKey(() => {
    show("find");
    document.querySelector<HTMLInputElement>(".terminal-find input")?.select();
  });

  const keys = types && (touch || wanted);
  const tools = (
    <Tools
      font={font}
      size={(size) => client.set({ terminalFontSize: Math.min(FONT.largest, Math.max(FONT.smallest, size)) })}
      copy={keys ? undefined : copyFrom}
      paste={keys || !types ? undefined : () => void pasteClipboard()}
      snippets={keys ? undefined : () => setChoosing(true)}
      repair={() => client.replay(sessionId)}
      keys={touch || !types ? undefined : wanted}
      showKeys={(shown) => client.set({ terminalKeyRow: shown })}
      order={keys ? () => setOrdering(true) : undefined}
    />
  );
  return (
    <section className="terminal" aria-label={text.screen}>
      <Strip
        state={state}
        ended={ended}
        looks={!types}
        takeSize={() => {
          const size = screen.current?.ownSize();
          if (size) client.resize(sessionId, size.cols, size.rows);
        }}
      />
      <div className="terminal-stage">
        <div ref={host} className="terminal-host" onClick={() => focus(touch, field.current, screen.current)} />
        {panel === "find" && screen.current && (
          <Suspense fallback={null}>
            <FindBar terminal={screen.current.terminal} close={closePanel} />
          </Suspense>
        )}
        {away && (
          <button type="button" className="terminal-bottom" aria-label={text.bottom} title={text.bottom} onPointerDown={(event) => event.preventDefault()} onClick={() => screen.current?.toBottom()}>
            <Icon name="arrowDown" size={18} />
          </button>
        )}
      </div>
      {!touch && toolbar && createPortal(tools, toolbar)}
      {keys && (
        <div className="terminal-foot">
          {touch && (
            <InputLine field={field} value={line} change={setLine} held={held(sticky)} send={send} paste={pasteLines} keyPressed={pressed} ready={ready} />
          )}
          <div className="terminal-bar">
            <KeyRow
              order={order}
              sticky={sticky}
              hold={(one) => setSticky((was) => tapped(was, one, performance.now()))}
              press={press}
              copy={copyFrom}
              paste={() => void pasteClipboard()}
              snippets={() => setChoosing(true)}
            />
            {touch && tools}
          </div>
        </div>
      )}
      {sheet !== undefined && <CopySheet content={sheet} close={() => setSheet(undefined)} />}
      <Suspense fallback={null}>
        {panel === "links" && <LinksSheet links={() => screen.current?.links() ?? []} close={closePanel} />}
        {choosing && <SnippetSheet send={sendSnippet} close={() => setChoosing(false)} />}
        {ordering && <OrderSheet order={order} change={(next) => client.set({ terminalKeyOrder: [...next] })} close={() => setOrdering(false)} />}
      </Suspense>
    </section>
  );
}

interface StripProps {
  ended: boolean;
  /** This device may not type. */
  looks: boolean;
  takeSize(): void;
  state: { isMaster: boolean | null; cols: number; rows: number; subscribed: boolean; repairing: boolean } | undefined;
}

/** What one has to know about the terminal, if anything. */
function Strip({ state, ended, looks, takeSize }: StripProps) {
  const passing = ended ? "" : passingWords(state);
  const follows = state?.isMaster === false && !looks && !ended;
  return (
    <>
      {/* Over the screen, not above it: the terminal must not change its size for a moment's words. */}
      <p className="terminal-passing" role="status">
        {passing}
      </p>
      {looks && <div className="terminal-strip">{text.viewOnly}</div>}
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

/** What stands in the native lines of terminals that are not on screen. Not in the browser's storage: it may be a password. */
const lines = new Map<string, string>();

function useLine(sessionId: string): [line: string, change: (line: string) => void] {
  const [line, setLine] = useState(() => lines.get(sessionId) ?? "");
  useEffect(() => {
    if (line === "") lines.delete(sessionId);
    else lines.set(sessionId, line);
  }, [sessionId, line]);
  return [line, setLine];
}

async function copyOut(selected: string): Promise<void> {
  if (selected === "") return client.notice("info", text.nothingToCopy);
  const done = await toClipboard(selected);
  client.notice(done ? "info" : "error", done ? text.copied : text.copyForbidden);
}

function focus(touch: boolean, field: HTMLInputElement | null, screen: Screen | null): void {
  if (!touch) screen?.terminal.focus();
  else if (!window.getSelection()?.toString()) field?.focus();
}

/** Types a character at the caret of the native line. */
function insert(field: HTMLInputElement | null, character: string): void {
  field?.focus();
  document.execCommand("insertText", false, character);
}

/** A hardware keyboard types into the native line, though no finger has touched it. */
function useFocusOnKey(touch: boolean, field: React.RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    if (!touch) return;
    const onKey = (event: KeyboardEvent): void => {
      const free = document.activeElement === null || document.activeElement === document.body;
      if (!free || event.metaKey || document.querySelector("dialog[open]")) return;
      field.current?.focus({ preventScroll: true });
      // Letters follow the focus; other keys stay with what had it when they were pressed.
      const letter = event.key.length === 1 && !event.ctrlKey && !event.altKey;
      if (!letter && field.current?.dispatchEvent(new KeyboardEvent("keydown", event)) === false) event.preventDefault();
    };
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, [touch, field]);
}

/** Ctrl+Shift+F, on a Mac ⌘⇧F, before the terminal gets it. */
function useFindKey(find: () => void): void {
  const latest = useRef(find);
  latest.current = find;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const wanted = (event.ctrlKey || event.metaKey) && event.shiftKey && !event.altKey && letterOf(event) === "f";
      if (!wanted || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      event.stopPropagation();
      latest.current();
    };
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, []);
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
