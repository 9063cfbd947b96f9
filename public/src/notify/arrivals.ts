/** What brings the page to a conversation from outside: a touched notification, or the address that it opened. */

import type { Client, Unsubscribe } from "~/store/client";
import type { State } from "~/store/state";
import { refresh } from "./push";

/** `replace`: in place of the present address. */
export type Open = (chat: string, replace?: boolean) => void;

/** Follow both, close notifications of what is read, and keep the subscription as the browser has it now. */
export function followArrivals(client: Client, open: Open): Unsubscribe {
  const arrive = (chat: string, tunnelId: string, replace = false) => void select(client, tunnelId).then(() => open(chat, replace));
  const stops = [onWorkerWord(arrive), onAddress(arrive), client.store.subscribe(clearSeen), keepSubscribed(client)];
  return () => stops.forEach((stop) => stop());
}

/** The workstation of the notification is perhaps not the one that is shown. */
async function select(client: Client, tunnelId: string): Promise<void> {
  await loaded(client);
  const { workstations, current } = client.store.getState();
  const wanted = workstations.find((each) => each.tunnelId === tunnelId);
  if (wanted && wanted.id !== current) await client.select(wanted.id);
}

function loaded({ store }: Client): Promise<void> {
  return new Promise((resolve) => {
    if (store.getState().loaded) return resolve();
    const stop = store.subscribe((state) => state.loaded && (stop(), resolve()));
  });
}

/** The service worker says which of its notifications was touched. */
function onWorkerWord(arrive: (chat: string, tunnelId: string) => void): Unsubscribe {
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  const received = ({ data }: MessageEvent<unknown>): void => {
    if (typeof data !== "object" || data === null || !("open" in data) || typeof data.open !== "string") return;
    arrive(data.open, "tunnel" in data && typeof data.tunnel === "string" ? data.tunnel : "");
  };
  workers?.addEventListener("message", received);
  return () => workers?.removeEventListener("message", received);
}

/** `#session=…&tunnel=…`: the service worker opens it, and browsers that show push messages by themselves. */
function onAddress(arrive: (chat: string, tunnelId: string, replace: boolean) => void): Unsubscribe {
  const look = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const chat = asked.get("session");
    if (chat !== null) arrive(chat, asked.get("tunnel") ?? "", true);
  };
  look();
  window.addEventListener("hashchange", look);
  return () => window.removeEventListener("hashchange", look);
}

/** A conversation that is read needs no notification any more. */
function clearSeen({ watching }: State, before: State): void {
  if (watching === null || watching === before.watching) return;
  void navigator.serviceWorker
    ?.getRegistration()
    .then((registration) => registration?.getNotifications({ tag: `tiflis-${watching}` }))
    .then((shown) => shown?.forEach((each) => each.close()), () => {});
}

/** Once per workstation that is shown: the browser may have renewed its subscription since. */
function keepSubscribed(client: Client): Unsubscribe {
  let done: string | null = null;
  const look = ({ current, syncedAt }: State) => {
    if (current === done || current === null || syncedAt === null) return;
    done = current;
    void refresh(client).catch(() => {});
  };
  look(client.store.getState());
  return client.store.subscribe(look);
}
