/**
 * The service worker: keeps the shell usable without a network. It holds the built files of its own
 * version and the one before, and never touches the API or the socket.
 */

import { addressOfChat, cacheName, outdated, shownFor, treatment } from "./rules";

interface Precache {
  version: string;
  files: string[];
}

/** The build puts the list in place of this name (`scripts/precache`). */
declare const __PRECACHE__: Precache;
/** The types of a worker's global scope clash with those of a page; these are the parts used here. */
interface Worker {
  registration: {
    scope: string;
    showNotification(title: string, options: object): Promise<void>;
    getNotifications(): Promise<unknown[]>;
  };
  clients: {
    claim(): Promise<void>;
    matchAll(which: { type: "window" }): Promise<Page[]>;
    openWindow(url: string): Promise<unknown>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", on: (event: Lasting) => void): void;
  addEventListener(type: "fetch", on: (event: Fetching) => void): void;
  addEventListener(type: "push", on: (event: Pushed) => void): void;
  addEventListener(type: "notificationclick", on: (event: Touched) => void): void;
}
interface Page {
  focused: boolean;
  focus(): Promise<unknown>;
  postMessage(word: { open: string; tunnel: string }): void;
}
interface Touched extends Lasting {
  notification: { close(): void; data?: { chat?: string; tunnel?: string } };
}
interface Pushed extends Lasting {
  data: { json(): unknown } | null;
}
interface Lasting {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}

const worker = self as unknown as Worker;
const PRECACHE = __PRECACHE__;
const CACHE = cacheName(PRECACHE.version);
const FILES = new Set(PRECACHE.files);
/** Milliseconds after which a network that says nothing counts as none. */
const PAGE_WITHIN = 4000;

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const asked = { method: request.method, mode: request.mode, url: request.url, partial: request.headers.has("range") };
  const how = treatment(asked, worker.registration.scope, FILES);
  if (how === "page") event.respondWith(page(request));
  if (how === "file") event.respondWith(file(request));
});

worker.addEventListener("notificationclick", (event) => event.waitUntil(show(event)));

worker.addEventListener("push", (event) => event.waitUntil(pushed(event)));

/** Show it, unless a page of ours is in focus: there it is seen anyway. */
async function pushed({ data }: Pushed): Promise<void> {
  const { title, always, ...options } = shownFor(read(data));
  const pages = await worker.clients.matchAll({ type: "window" });
  if (!always && pages.some((page) => page.focused)) return;
  const icon = absolute("icons/icon-192.png");
  await worker.registration.showNotification(title, { ...options, icon, badge: icon });
  const bar = navigator as Navigator & { setAppBadge?(count: number): Promise<void> };
  await bar.setAppBadge?.((await worker.registration.getNotifications()).length).catch(() => undefined);
}

function read(data: Pushed["data"]): unknown {
  try {
    return data?.json();
  } catch {
    return null;
  }
}

/** Brings the page that shows this client to the front, or opens one. */
async function show({ notification }: Touched): Promise<void> {
  notification.close();
  const { chat = "", tunnel = "" } = notification.data ?? {};
  const [page] = await worker.clients.matchAll({ type: "window" });
  if (!page) {
    await worker.clients.openWindow(addressOfChat(worker.registration.scope, chat, tunnel));
    return;
  }
  await page.focus();
  if (chat || tunnel) page.postMessage({ open: chat, tunnel });
}

/** All or nothing: a half-filled cache would be a half-working page. */
async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  const fresh = PRECACHE.files.map((name) => new Request(absolute(name), { cache: "no-cache" }));
  await cache.addAll(fresh);
  // Safe at once: a page asks for files by their content, and the older version's stay in their cache.
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(outdated(names, CACHE).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

async function page(request: Request): Promise<Response> {
  const answer = await fetched(request);
  if (answer && answer.status < 500) return answer;
  const kept = await caches.match(absolute(""), { cacheName: CACHE });
  return kept ?? answer ?? Response.error();
}

async function file(request: Request): Promise<Response> {
  const url = request.url.split(/[?#]/)[0] ?? request.url;
  return (await caches.match(url, { cacheName: CACHE })) ?? (await caches.match(url)) ?? fetch(request);
}

/** The network's answer, unless it does not begin in time. */
function fetched(request: Request): Promise<Response | undefined> {
  const answer = fetch(request).catch(() => undefined);
  const patience = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), PAGE_WITHIN));
  return Promise.race([answer, patience]);
}

function absolute(name: string): string {
  return new URL(name, worker.registration.scope).href;
}
