/** What is said about a device in a line. */

import { errorText, lasting } from "~/text/common";
import { devices as text } from "~/text/devices";
import type { Device } from "./devices";

export function nameOf({ name, waiting, kind }: Device): string {
  return name || (waiting ? text.newDevice : text.unnamed[kind]);
}

export function lineOf(device: Device, now: number): string {
  if (device.expiresAt !== null && device.expiresAt <= now) return text.ended;
  if (device.waiting) return device.waitsUntil === null || device.waitsUntil > now ? text.waits(lasting((device.waitsUntil ?? now) - now)) : text.overdue;
  const seen = device.connected ? text.connected(device.seenFrom) : device.seenAt === null ? text.never : text.seen(agoOf(device.seenAt, now), device.seenFrom);
  return device.expiresAt === null ? seen : `${seen} · ${text.ends(lasting(device.expiresAt - now))}`;
}

/** The server writes it once a minute. */
const agoOf = (at: number, now: number): string => (now - at < 120_000 ? text.justNow : text.ago(lasting(now - at)));

/** What an error, or its code, means on these screens. */
export function troubleText(error: unknown): string {
  const code = typeof error === "string" ? error : (error as { code?: unknown } | null)?.code;
  return (typeof code === "string" && text.problems[code]) || errorText(error);
}
