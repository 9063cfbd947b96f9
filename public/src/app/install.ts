/** Whether the browser offers to install the client, and the way to take the offer. */

import { useStore } from "zustand";
import { createStore } from "zustand/vanilla";

interface Offer extends Event {
  prompt(): Promise<unknown>;
}

const browser = createStore<{ offer: Offer | null }>(() => ({ offer: null }));

/** To be called early: the browser offers once per page. */
export function awaitOffer(): void {
  window.addEventListener("beforeinstallprompt", (event) => {
    // Asked for in the settings instead of by a banner over the page.
    event.preventDefault();
    browser.setState({ offer: event as Offer });
  });
  window.addEventListener("appinstalled", () => browser.setState({ offer: null }));
}

/** Null while there is nothing to install, or no way to. */
export function useInstall(): (() => void) | null {
  const { offer } = useStore(browser);
  return offer && (() => (browser.setState({ offer: null }), void offer.prompt()));
}
