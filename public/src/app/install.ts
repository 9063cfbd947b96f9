/** Whether the browser offers to install the client, and the way to take the offer. */

import { useSyncExternalStore } from "react";

interface Offer extends Event {
  prompt(): Promise<unknown>;
}

let offer: Offer | null = null;
const listeners = new Set<() => void>();

function change(to: Offer | null): void {
  offer = to;
  listeners.forEach((listener) => listener());
}

/** To be called early: the browser offers once per page. */
export function awaitOffer(): void {
  window.addEventListener("beforeinstallprompt", (event) => {
    // Asked for in the settings instead of by a banner over the page.
    event.preventDefault();
    change(event as Offer);
  });
  window.addEventListener("appinstalled", () => change(null));
}

/** Null while there is nothing to install, or no way to. */
export function useInstall(): (() => void) | null {
  const current = useSyncExternalStore(
    (changed) => (listeners.add(changed), () => listeners.delete(changed)),
    () => offer,
  );
  return current && (() => (change(null), void current.prompt()));
}
