/** Where the user is: kept in the fragment, so that a reload and the back button do what one expects. */

import { useSyncExternalStore } from "react";

export type Route =
  | { name: "home" }
  | { name: "session"; key: string }
  | { name: "new" }
  | { name: "pair" }
  | { name: "settings" };

export function readRoute(hash: string): Route {
  const [name, ...rest] = hash.replace(/^#\/?/, "").split("/");
  if (name === "s" && rest[0]) return { name: "session", key: decode(rest.join("/")) };
  if (name === "pair" || name === "settings" || name === "new") return { name };
  return { name: "home" };
}

export function addressOf(route: Route): string {
  if (route.name === "home") return "#/";
  return route.name === "session" ? `#/s/${encodeURIComponent(route.key)}` : `#/${route.name}`;
}

export function go(route: Route, replace = false): void {
  const address = addressOf(route);
  if (!replace) location.hash = address;
  else {
    history.replaceState(history.state, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }
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
