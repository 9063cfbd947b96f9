/**
 * Keyboard shortcuts of the whole app. Alt with a letter, since browsers keep most of Ctrl for themselves. In a field
 * a shortcut never takes what the keyboard would type there: Option and AltGr make letters on many keyboards.
 */

import { useEffect, useRef } from "react";
import { SUPERVISOR } from "~/store/state";
import { letterOf } from "~/ui/letters";
import { client } from "./client";
import { sessionOrder } from "../sessions/order";
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

export function useShortcuts(sheets: Sheets): void {
  const latest = useRef(sheets);
  latest.current = sheets;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // Ctrl+K is a terminal's own, ⌘K is not.
      if (event.defaultPrevented || (inTerminal(event.target) && !event.metaKey)) return;
      if (document.querySelector("dialog[open]")) return;
      if (run(event, latest.current)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function run(event: KeyboardEvent, { help, palette }: Sheets): boolean {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (plain && event.key === "Escape") return !event.repeat && screenAction("stop");
  if (plain && !typing(event.target)) {
    if (event.key === "?") return help(), true;
    if (event.key === "/") return screenAction("compose");
  }
  // On a Mac, Ctrl with K deletes the rest of the line.
  const mod = event.metaKey || (event.ctrlKey && !(MAC && typing(event.target)));
  if (mod && !event.altKey && letterOf(event) === "k") return palette(), true;
  if (!event.altKey || event.ctrlKey || event.metaKey || event.getModifierState("AltGraph")) return false;
  if (typing(event.target) && writes(event)) return false;
  // A key that is held down is one wish; only stepping goes on.
  if (event.repeat && !event.code.startsWith("Arrow")) return true;
  return alt(event.code, help);
}

function alt(code: string, help: () => void): boolean {
  switch (code) {
    case "ArrowDown":
      return step(1);
    case "ArrowUp":
      return step(-1);
    case "KeyS":
      return go({ name: "session", key: SUPERVISOR }), true;
    case "KeyB":
      return fold(!client.store.getState().settings.sidebarFolded), true;
    case "KeyN":
      return go({ name: "new" }), true;
    case "KeyF":
      return screenAction("search");
    case "KeyL":
      return screenAction("latest");
    case "KeyR":
      return screenAction("record");
    case "KeyC":
      return screenAction("compose");
    case "Comma":
      return go({ name: "settings" }), true;
    case "Slash":
      return help(), true;
    default:
      return false;
  }
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

/** Whether the field would do something of its own with this key: another character than the key's own, a dead key, the caret. */
function writes({ key, code }: KeyboardEvent): boolean {
  if (code.startsWith("Arrow")) return MAC;
  return key.toLowerCase() !== (PLAIN[code] ?? code.slice("Key".length).toLowerCase());
}

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const PLAIN: Record<string, string | undefined> = { Comma: ",", Slash: "/" };

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function inTerminal(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest(".terminal") !== null;
}
