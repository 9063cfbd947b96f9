/** The notifications that this page shows itself, each until it is touched or its chat is read. */

import type { Client, Unsubscribe } from "~/store/client";
import type { State } from "~/store/state";
import { arrive } from "./arrivals";

const open = new Map<string, Notification>();

/** As in `sw/rules.ts`, which shares no file with the page: the service worker is one by itself. */
export const tagOf = (tunnel: string, about: string): string => `tiflis-${tunnel}-${about}`;

/** Of the workstation on screen; "": there is none. */
const tunnelOf = ({ workstations, current }: State): string => workstations.find(({ id }) => id === current)?.tunnelId ?? "";

export function show(client: Client, chat: string, title: string, body: string): void {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const tunnel = tunnelOf(client.store.getState());
  const tag = tagOf(tunnel, chat);
  const icon = new URL("icons/icon-192.png", document.baseURI).href;
  try {
    const made = new Notification(title, { body, tag, icon });
    open.set(tag, made);
    made.onclose = () => open.get(tag) === made && open.delete(tag);
    made.onclick = () => {
      window.focus();
      void arrive(client, chat, tunnel);
      made.close();
    };
  } catch {
    // Android's Chrome shows notifications only through the service worker.
    void registration().then((worker) => worker?.showNotification(title, { body, tag, icon, data: { chat, tunnel } })).catch(() => undefined);
  }
}

const registration = async () => navigator.serviceWorker?.getRegistration();

/** Close the notifications of the chat on screen, from this page and from the service worker, when it is opened or the window comes back. */
export function closeRead(client: Client): Unsubscribe {
  const close = (): void => {
    const state = client.store.getState();
    if (state.watching === null) return;
    const tag = tagOf(tunnelOf(state), state.watching);
    open.get(tag)?.close();
    void registration()
      .then((worker) => worker?.getNotifications({ tag }))
      .then((shown) => shown?.forEach((each) => each.close()), () => {});
  };
  window.addEventListener("focus", close);
  const stop = client.store.subscribe(({ watching }, before) => watching !== before.watching && close());
  return () => (window.removeEventListener("focus", close), stop());
}
