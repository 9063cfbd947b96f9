/** The terminal that stands beside the conversation, where the window has room for both. */

import { useSyncExternalStore } from "react";
import { SUPERVISOR } from "~/store/state";
import { useMedia } from "./media";
import { go, type Route } from "./route";

const ROOMY = "(min-width: 70rem)";

let shown: string | null = null;
let lastChat: Route = { name: "session", key: SUPERVISOR };
const listeners = new Set<() => void>();

/** The id of the terminal beside; null: there is none, or no room. */
export function useBeside(): string | null {
  const beside = useSyncExternalStore(subscribe, () => shown);
  return useRoomy() ? beside : null;
}

export const useRoomy = (): boolean => useMedia(ROOMY);

/** Puts a terminal beside the conversation shown last, which takes its place. */
export function openBeside(terminal: string): void {
  show(terminal);
  go(lastChat);
}

export const closeBeside = (): void => show(null);

/** Remembers the conversation on screen. */
export function sawChat(key: string): void {
  lastChat = { name: "session", key };
}

function show(terminal: string | null): void {
  shown = terminal;
  listeners.forEach((changed) => changed());
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}
