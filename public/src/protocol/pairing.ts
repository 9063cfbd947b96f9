/** Reads what a user pastes, scans or opens into the three facts a pairing needs (tunnel protocol, section 9). */

export interface PairingData {
  tunnelId: string;
  url: string;
  key: string;
}

/** What is wrong with the text, as a code of `text/pairing.ts`. */
export type PairingProblem = "empty" | "unreadable" | "no-tunnel" | "no-url" | "bad-url" | "short-key";

export const KEY_LEAST = 16;

/** A key made for one device begins so; any other is the workstation's own. */
const DEVICE_KEY = "dk_";
export const isDeviceKey = (key: string): boolean => key.startsWith(DEVICE_KEY);

export function readPairing(text: string): PairingData | PairingProblem {
  const trimmed = text.trim();
  if (!trimmed) return "empty";
  const record = asRecord(jsonOf(trimmed));
  if (!record) return "unreadable";
  return checkPairing(field(record, "tunnel_id"), field(record, "url"), field(record, "key"));
}

export function checkPairing(tunnelId: string, url: string, key: string): PairingData | PairingProblem {
  if (!tunnelId.trim()) return "no-tunnel";
  if (!url.trim()) return "no-url";
  const address = socketUrl(url);
  if (!address) return "bad-url";
  if (key.trim().length < KEY_LEAST) return "short-key";
  return { tunnelId: tunnelId.trim(), url: address, key: key.trim() };
}

/** The JSON that `readPairing` takes. */
export function pairingText({ tunnelId, url, key }: PairingData): string {
  return JSON.stringify({ tunnel_id: tunnelId, url, key });
}

/** A user's idea of an address as a WebSocket URL; null if there is none in it. */
export function socketUrl(text: string): string | null {
  let candidate = text.trim();
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(candidate)) candidate = `wss://${candidate}`;
  candidate = candidate.replace(/^http/i, "ws");
  if (!URL.canParse(candidate)) return null;
  const url = new URL(candidate);
  if ((url.protocol !== "ws:" && url.protocol !== "wss:") || !url.hostname) return null;
  if (url.pathname === "/" || url.pathname === "") url.pathname = "/ws";
  url.hash = "";
  url.username = "";
  url.password = "";
  return url.toString();
}

/** The pairing text in this page's own fragment (`/#data=…`), or null. */
export function pairingInFragment(hash: string): string | null {
  const match = /^#\/?(?:\?)?data=(.+)$/.exec(hash);
  return match?.[1] ?? null;
}

function jsonOf(text: string): unknown {
  if (text.startsWith("{")) return parse(text) ?? parse(percentDecoded(text));
  const data = percentDecoded(/[?#&]data=([^&#\s]+)/.exec(text)?.[1] ?? text);
  return parse(data.startsWith("{") ? data : fromBase64(data));
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Either alphabet, with or without padding; a `+` that a form turned into a space is turned back. */
function fromBase64(text: string): string {
  const plain = text.trim().replace(/ /g, "+").replace(/-/g, "+").replace(/_/g, "/").replace(/=+$/, "");
  try {
    const bytes = Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

function field(record: Record<string, unknown>, name: string): string {
  const value = record[name];
  return typeof value === "string" ? value : "";
}
