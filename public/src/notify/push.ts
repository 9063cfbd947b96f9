/** Notifications that arrive though the page is closed: the browser's subscription, and what the server is told about it. */

import type { Client } from "~/store/client";
import { text } from "~/protocol/fields";
import { RequestFailed } from "~/connection/requests";
import { language } from "~/text/words";
import { recall, remember } from "~/vault/memory";

export const KINDS = ["done", "failed", "offline", "bell"] as const;
export type Kind = (typeof KINDS)[number];

/** What a person wants of them, per workstation and browser. */
export interface Wishes {
  kinds: Kind[];
  /** Sessions of which none is wanted. */
  muted: string[];
  /** Local times such as 22:00, between which none is wanted. */
  quiet: { from: string; to: string } | null;
  /** With the beginning of the answer. */
  excerpt: boolean;
}

/** Why it does not work here, as a code of `text/push.ts`. */
export type Obstacle = "insecure" | "ios" | "unsupported" | "denied";

export const FIRST: Wishes = { kinds: ["done", "failed", "bell"], muted: [], quiet: null, excerpt: false };

/** Null: nothing in this browser is in the way. */
export function obstacle(): Obstacle | null {
  if (!window.isSecureContext) return "insecure";
  if (!("PushManager" in window) || !("serviceWorker" in navigator)) return isApple() ? "ios" : "unsupported";
  return Notification.permission === "denied" ? "denied" : null;
}

/** An iPhone or iPad, on which only apps on the home screen may receive them. */
function isApple(): boolean {
  return /iPhone|iPad/.test(navigator.userAgent) || (/Mac/.test(navigator.platform) && navigator.maxTouchPoints > 1);
}

/** What is switched on for a workstation; null: nothing. */
export function wishesOf(workstationId: string | null): Wishes | null {
  if (workstationId === null) return null;
  const kept = recall<Partial<Wishes> | null>(nameFor(workstationId), null);
  return kept && { ...FIRST, ...kept };
}

/** Begins the names under which wishes are kept. */
export const WISHES = "push.";
const nameFor = (workstationId: string): string => WISHES + workstationId;

/** Whether the wishes let a notification of this kind about this chat through at that local time; null: no wish stands against it. */
export function wanted(wishes: Wishes | null, kind: Kind, chat: string, at: Date): boolean {
  if (wishes === null) return true;
  return wishes.kinds.includes(kind) && !wishes.muted.includes(chat) && !isQuiet(wishes.quiet, at);
}

function isQuiet(quiet: Wishes["quiet"], at: Date): boolean {
  if (quiet === null) return false;
  const { from, to } = quiet;
  const now = `${at.getHours()}`.padStart(2, "0") + ":" + `${at.getMinutes()}`.padStart(2, "0");
  return from <= to ? from <= now && now < to : from <= now || now < to;
}

/** Subscribe, or tell the server new wishes. Raise RequestFailed, or the browser's own error. */
export async function turnOn(client: Client, wishes: Wishes): Promise<void> {
  const { current } = client.store.getState();
  if (current === null) throw new RequestFailed("offline");
  const key = text((await client.ask("GET", "api/v1/push/key")).key);
  if (!key) throw new RequestFailed("unsupported");
  const subscription = await subscribed(key);
  await client.ask("POST", "api/v1/push/subscription", {
    subscription: subscription.toJSON(),
    kinds: wishes.kinds,
    muted: wishes.muted,
    quiet: wishes.quiet && { ...wishes.quiet, zone: Intl.DateTimeFormat().resolvedOptions().timeZone },
    excerpt: wishes.excerpt,
    language: language(),
    page: new URL("./", document.baseURI.split("#")[0]).href,
  });
  remember(nameFor(current), wishes);
}

/** The server has no subscription under a key that it does not know. */
const NONE_THERE = new Set(["INVALID_AUTH_KEY", "TUNNEL_NOT_FOUND", "unsupported"]);

/** It counts as off once the server sends no more. The browser's subscription stays, since other workstations of this server may use it. */
export async function turnOff(client: Client, workstationId = client.store.getState().current): Promise<void> {
  if (workstationId === null || wishesOf(workstationId) === null) return;
  await client.ask("DELETE", "api/v1/push/subscription", undefined, workstationId).catch((error: unknown) => {
    if (!(error instanceof RequestFailed && NONE_THERE.has(error.code))) throw error;
  });
  forget(workstationId);
}

/** Take it for off, whatever the server knows. */
export const forget = (workstationId: string): void => remember(nameFor(workstationId), undefined);

/** Empty: sent. Else the server's reason. */
export async function test(client: Client): Promise<string> {
  const { success, reason } = await client.ask("POST", "api/v1/push/test");
  return success === true ? "" : text(reason) || "failed";
}

/** The browser may have renewed its subscription, and the words may be of another language now. */
export async function refresh(client: Client): Promise<void> {
  const wishes = wishesOf(client.store.getState().current);
  if (wishes && obstacle() === null && Notification.permission === "granted") await turnOn(client, wishes);
}

async function subscribed(key: string): Promise<PushSubscription> {
  const { pushManager } = await navigator.serviceWorker.ready;
  const known = await pushManager.getSubscription();
  const bytes = bytesOf(key);
  if (known && sameBytes(known.options.applicationServerKey, bytes)) return known;
  // Of a server that has another key now.
  await known?.unsubscribe();
  return pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes });
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const plain = base64url.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0));
}

function sameBytes(one: ArrayBuffer | null, other: Uint8Array): boolean {
  if (one === null || one.byteLength !== other.length) return false;
  return new Uint8Array(one).every((byte, at) => byte === other[at]);
}
