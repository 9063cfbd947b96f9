/** The terminal that stands beside the conversation, where the window has room for both. */

import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";
import { SUPERVISOR } from "~/store/state";
import { useMedia } from "./media";
import { go, type Route } from "./route";

const ROOMY = "(min-width: 70rem)";

const beside = createStore<{ terminal: string | null }>(() => ({ terminal: null }));
let lastChat: Route = { name: "session", key: SUPERVISOR };

/** The id of the terminal beside; null: there is none, or no room. */
export function useBeside(): string | null {
  const { terminal } = useStore(beside);
  return useRoomy() ? terminal : null;
}

export const useRoomy = (): boolean => useMedia(ROOMY);

/** Put a terminal beside the conversation shown last, which takes its place. */
export function openBeside(terminal: string): void {
  beside.setState({ terminal });
  go(lastChat);
}

export const closeBeside = (): void => beside.setState({ terminal: null });

/** Remember the conversation on screen. */
export function sawChat(key: string): void {
  lastChat = { name: "session", key };
}
