/**
 * Keyboard shortcuts of the whole app. Alt with a letter, since browsers keep most of Ctrl for themselves. In a field
 * a shortcut never takes what the keyboard would type there: Option and AltGr make letters on many keyboards.
 */

import { useEffect, useRef } from "react";
import { SUPERVISOR } from "~/store/state";
import { letterOf } from "~/ui/letters";
import { client } from "./client";
import { maySpeak } from "~/store/scope";
import { sessionOrder } from "../sessions/order";
import { WIDE } from "./firstScreen";
import { fold } from "./listWidth";
import { go, readRoute } from "./route";

/** What a screen offers while it is shown; `shortcuts.ts` knows only the names. */
export type ScreenAction = "compose" | "search" | "stop" | "latest" | "record";

/** What opens above any screen. */
export interface Sheets {
  help(): void;
  palette(): void;
}

const screenActions = new Map<ScreenAction, () => boolean>();

/** `run` returns false when it has nothing to do, and the key goes its usual way. */
export function useScreenAction(name: ScreenAction, run: () => boolean): void {
  useEffect(() => {
    screenActions.set(name, run);
    return () => void (screenActions.get(name) === run && screenActions.delete(name));
  }, [name, run]);
}

/** Null: there is nothing yet that a shortcut could lead to. */
export function useShortcuts(sheets: Sheets | null): void {
  const latest = useRef(sheets);
  latest.current = sheets;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // Ctrl+K is a terminal's own, ⌘K is not.
      if (event.defaultPrevented || (inTerminal(event.target) && !event.metaKey)) return;
      if (!latest.current || document.querySelector("dialog[open]")) return;
      if (run(event, latest.current)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function run(event: KeyboardEvent, sheets: Sheets): boolean {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (plain && event.key === "Escape") return !event.repeat && screenAction("stop");
  if (plain && !typing(event.target)) {
    if (event.key === "?") return sheets.help(), true;
    if (event.key === "/") return screenAction("compose");
  }
  // On a Mac, Ctrl with K deletes the rest of the line.
  const mod = event.metaKey || (event.ctrlKey && !(MAC && typing(event.target)));
  if (mod && !event.altKey && letterOf(event) === "k") return sheets.palette(), true;
  if (!event.altKey || event.ctrlKey || event.metaKey || event.getModifierState("AltGraph")) return false;
  const name = nameOf(event);
  if (typing(event.target) && takes(event.target, name, event)) return false;
  // A key that is held down is one wish; only stepping goes on.
  if (event.repeat && !name.startsWith("Arrow")) return true;
  return alt(name, sheets);
}

function alt(name: string, { help, palette }: Sheets): boolean {
  switch (name) {
    case "ArrowDown":
      return step(1);
    case "ArrowUp":
      return step(-1);
    case "s":
      return go({ name: "session", key: SUPERVISOR }), true;
    case "b":
      return matchMedia(WIDE).matches && (fold(!client.store.getState().settings.sidebarFolded), true);
    case "n":
      return maySpeak(client.store.getState()) && (go({ name: "new" }), true);
    case "f":
      // Where there is nothing to search in, in all conversations.
      return screenAction("search") || (palette(), true);
    case "l":
      return screenAction("latest");
    case "r":
      return screenAction("record");
    case "c":
      return screenAction("compose");
    case ",":
      return go({ name: "settings" }), true;
    case "/":
      return help(), true;
    default:
      return false;
  }
}

/** What the key writes where it writes plain letters, on any layout; where Option makes another letter, what its place writes in English. */
function nameOf({ key, code }: KeyboardEvent): string {
  if (/^[a-z,/]$/i.test(key)) return key.toLowerCase();
  return PLAIN[code] ?? code.replace(/^Key/, "").replace(/^[A-Z]$/, (letter) => letter.toLowerCase());
}

/** False when the screen has no such action at the moment. */
export const screenAction = (name: ScreenAction): boolean => screenActions.get(name)?.() ?? false;

function step(by: number): boolean {
  const keys = [SUPERVISOR, ...sessionOrder(client.store.getState())];
  const route = readRoute(location.hash);
  const at = route.name === "session" ? keys.indexOf(route.key) : 0;
  const key = keys[(at + by + keys.length) % keys.length];
  if (key) go({ name: "session", key });
  return true;
}

/** Whether the field does something of its own with this key: another letter, a dead key, the caret, its list or its picker. */
function takes(field: EventTarget | null, name: string, { key }: KeyboardEvent): boolean {
  if (name.startsWith("Arrow")) return MAC || /^(select|time|date)/.test((field as HTMLInputElement).type);
  return key.toLowerCase() !== name;
}

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const PLAIN: Record<string, string | undefined> = { Comma: ",", Slash: "/" };

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=range])");
}

function inTerminal(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest(".terminal") !== null;
}
