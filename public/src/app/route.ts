/** Where the user is: kept in the fragment, so that a reload and the back button do what one expects. */

import { useSyncExternalStore } from "react";
import { isLeaving, isOver, leavesTo } from "~/ui/overlays";

export type Route =
  | { name: "home" }
  | { name: "session"; key: string }
  | { name: "new"; kind?: string }
  | { name: "pair" }
  | { name: "settings" }
  | { name: "devices" }
  | { name: "notifications" };

export function readRoute(hash: string): Route {
  const [name, ...rest] = hash.replace(/^#\/?/, "").split("/");
  if (name === "s" && rest[0]) return { name: "session", key: decode(rest.join("/")) };
  if (name === "new") return rest[0] ? { name, kind: decode(rest[0]) } : { name };
  if (name === "pair" || name === "settings" || name === "devices" || name === "notifications") return { name };
  return { name: "home" };
}

export function addressOf(route: Route): string {
  if (route.name === "home") return "#/";
  if (route.name === "session") return `#/s/${encodeURIComponent(route.key)}`;
  return route.name === "new" && route.kind ? `#/new/${encodeURIComponent(route.kind)}` : `#/${route.name}`;
}

export function go(route: Route, replace = false): void {
  const address = addressOf(route);
  if (leavesTo(address)) return;
  if (isOver()) {
    // From a sheet: its entry becomes the new screen's, after that of the screen below.
    history.replaceState({ from: addressOf(readRoute(location.hash)) }, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else if (!replace) location.hash = address;
  else {
    history.replaceState(history.state, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

/** To the screen one step up: through the history when that is where the reader came from, else in its place. */
export function goBack(to: Route = { name: "home" }): void {
  if (isOver()) {
    window.addEventListener("popstate", () => goBack(to), { once: true });
    if (!isLeaving()) history.back();
    return;
  }
  const { from } = (history.state ?? {}) as { from?: unknown };
  if (from === addressOf(to)) history.back();
  else go(to, true);
}

/** Each entry of the history remembers the address of the one before it; the browser does not tell. */
export function followHistory(): void {
  if (history.state === null) history.replaceState({ from: null }, "");
  window.addEventListener("hashchange", ({ oldURL }) => {
    if (history.state !== null) return;
    // A pairing in the old address reads as home: no key is kept here.
    const from = oldURL ? addressOf(readRoute(new URL(oldURL).hash)) : null;
    history.replaceState({ from }, "");
  });
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHash, () => location.hash);
  return readRoute(hash);
}

function onHash(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
