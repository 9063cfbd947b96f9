/**
 * What the service worker does with a request. Pure, so that the one rule that matters is tested:
 * nothing but the shell and the built files is ever answered from the cache.
 */

export type Treatment =
  /** The page itself: from the network, and from the cache when there is none. */
  | "page"
  /** A built file, named by its content: from the cache, else from the network. */
  | "file"
  /** Everything else: the worker keeps its hands off. */
  | "network";

export interface Asked {
  method: string;
  mode: string;
  url: string;
  /** A `Range` header: part of a file is never what the cache holds. */
  partial: boolean;
}

/** `files` are the names in the cache, relative to `scope`. */
export function treatment(asked: Asked, scope: string, files: ReadonlySet<string>): Treatment {
  if (asked.method !== "GET" || asked.partial) return "network";
  const name = inScope(asked.url, scope);
  if (name === undefined) return "network";
  if (asked.mode === "navigate") return isPage(name) ? "page" : "network";
  return files.has(name) || name.startsWith("assets/") ? "file" : "network";
}

/** The shell has one page; API paths opened in a tab are the server's own business. */
function isPage(name: string): boolean {
  return name === "" || name === "index.html";
}

/** The path below the scope without query and fragment; nothing when it lies elsewhere. */
function inScope(url: string, scope: string): string | undefined {
  const base = new URL(scope);
  const target = new URL(url, base);
  if (target.origin !== base.origin || !target.pathname.startsWith(base.pathname)) return undefined;
  return target.pathname.slice(base.pathname.length);
}

const PREFIX = "tiflis-shell-";

export function cacheName(version: string): string {
  return PREFIX + version;
}

/**
 * Which caches to throw away. The one before the newest stays: an old page in another tab may yet want
 * a part of itself that the server no longer has. `names` in the order of their making, as browsers list them.
 */
export function outdated(names: readonly string[], current: string): string[] {
  const ours = names.filter((name) => name.startsWith(PREFIX) && name !== current);
  return ours.slice(0, -1);
}

/** Where a touched notification leads when no page is open: to its conversation or workstation, as `notify/arrivals.ts` reads it. */
export function addressOfChat(scope: string, chat = "", tunnel = ""): string {
  if (!chat && !tunnel) return scope;
  return new URL(`#${new URLSearchParams({ ...(chat && { session: chat }), ...(tunnel && { tunnel }) })}`, scope).href;
}

/** One per conversation of each workstation: a newer notification takes the place of an older one. `about` is its chat, or what it is about. */
export const tagOf = (tunnel: string, about: string): string => `tiflis-${tunnel}-${about}`;

export interface Shown {
  title: string;
  body: string;
  tag: string;
  data: { chat?: string; tunnel?: string };
  /** The user has asked for it just now, and wants to see it though the page is in view. */
  always: boolean;
}

/** What a push message says, whatever came; `docs/staying.md` has its form. */
export function shownFor(message: unknown): Shown {
  const { notification, tiflis } = fields(message);
  const { title, body, tag } = fields(notification);
  const { kind, session, tunnel_id } = fields(tiflis);
  const chat = text(session) || (kind === "done" || kind === "failed" ? SUPERVISOR : "");
  const tunnel = text(tunnel_id);
  return {
    title: text(title) || "Tiflis",
    body: text(body),
    tag: tagOf(tunnel, chat || text(tag)),
    data: { ...(chat && { chat }), ...(tunnel && { tunnel }) },
    always: kind === "test",
  };
}

/** The key of its chat, as in `store/state.ts`. */
const SUPERVISOR = "supervisor";

const fields = (value: unknown) => (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
const text = (value: unknown) => (typeof value === "string" ? value : "");
