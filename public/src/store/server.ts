/** Requests to the tunnel server itself, beside the socket: devices, notifications. */

import { RequestFailed } from "../connection/requests";
import { record, text, type Fields } from "../protocol/fields";
import { SERVER_WITHIN } from "../protocol/limits";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Who asks: the current workstation's pairing. */
export interface Asking {
  url: string;
  tunnelId: string;
  authKey: string;
  deviceId: string;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** `wss://host/base/ws` is reached at `https://host/base/`. */
export function serverAddress(socketUrl: string): string {
  const url = new URL(socketUrl.replace(/^ws/, "http"));
  url.pathname = url.pathname.replace(/[^/]*$/, "");
  return url.toString();
}

/**
 * Return the answer's object. Raise RequestFailed with the server's code; `offline` when it cannot be reached,
 * `unsupported` when it is too old to know the path.
 */
export async function askServer(fetch: Fetch, socketUrl: string, asking: Asking | null, method: Method, path: string, body?: object): Promise<Fields> {
  const headers: Record<string, string> = { ...(body && { "Content-Type": "application/json" }), ...(asking && credentials(asking)) };
  const init: RequestInit = { method, headers, cache: "no-store", signal: AbortSignal.timeout(SERVER_WITHIN), ...(body && { body: JSON.stringify(body) }) };
  const answer = await fetch(serverAddress(socketUrl) + path, init).catch(() => {
    throw new RequestFailed("offline");
  });
  const said = record(await answer.json().catch(() => null));
  if (answer.ok) return said;
  throw new RequestFailed(codeOf(answer.status, said), text(said.message));
}

function credentials({ tunnelId, authKey, deviceId }: Asking): Record<string, string> {
  return { Authorization: `Bearer ${authKey}`, "X-Tunnel-Id": tunnelId, "X-Device-Id": deviceId };
}

/** Errors over HTTP that the protocol has under another name. */
const CODES: Record<string, string> = { invalid_parameters: "INVALID_PAYLOAD", missing_parameters: "INVALID_PAYLOAD", push_off: "unsupported" };

/** The protocol's code. Paths that a server does not have are answered with words for people. */
function codeOf(status: number, said: Fields): string {
  const code = text(said.error);
  if (/^[a-z_]+$/.test(code)) return CODES[code] ?? code.toUpperCase();
  return status === 404 || status === 405 ? "unsupported" : "INTERNAL_ERROR";
}
