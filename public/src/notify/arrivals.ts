/** Brings the page to a conversation from outside: by a touched notification, or by the address that it opened. */

import { go } from "~/app/route";
import type { Client, Unsubscribe } from "~/store/client";
import type { State } from "~/store/state";
import { refresh } from "./push";

/** Show a chat ("": the list) of the workstation with this tunnel ("": the present one); `replace`: in place of the present address. */
export async function arrive(client: Client, chat: string, tunnelId: string, replace = false): Promise<void> {
  await select(client, tunnelId);
  go(chat ? { name: "session", key: chat } : { name: "home" }, replace);
}

/** Follow both, and keep the subscription as the browser has it now. */
export function followArrivals(client: Client): Unsubscribe {
  const stops = [onWorkerWord(client), onAddress(client), keepSubscribed(client)];
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

/** The service worker names the chat and the tunnel of the notification that was touched. */
function onWorkerWord(client: Client): Unsubscribe {
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  const received = ({ data }: MessageEvent<unknown>): void => {
    if (typeof data !== "object" || data === null || !("open" in data) || typeof data.open !== "string") return;
    void arrive(client, data.open, "tunnel" in data && typeof data.tunnel === "string" ? data.tunnel : "");
  };
  workers?.addEventListener("message", received);
  return () => workers?.removeEventListener("message", received);
}

/** `#session=…&tunnel=…`: the service worker opens it, and browsers that show push messages by themselves. */
function onAddress(client: Client): Unsubscribe {
  const look = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const [chat, tunnel] = [asked.get("session"), asked.get("tunnel")];
    if (chat !== null || tunnel !== null) void arrive(client, chat ?? "", tunnel ?? "", true);
  };
  look();
  window.addEventListener("hashchange", look);
  return () => window.removeEventListener("hashchange", look);
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
