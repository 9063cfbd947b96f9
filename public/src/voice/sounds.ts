/** Sounds that have been fetched once, so that playing them again costs nothing; the oldest goes first. */

import { fromBase64, playedType } from "./format";

/** Bytes of audio kept in memory. */
const KEPT = 16 * 1024 * 1024;

const kept = new Map<string, Blob>();

/** A question's recording and its answer's sound may go by the same message id. */
export const soundKey = (kind: "input" | "output", messageId: string): string => `${kind} ${messageId}`;

/** The sound as a Blob, or nothing when it is not one. */
export function keepSound(id: string, audio: string, format: string): Blob | undefined {
  const bytes = fromBase64(audio);
  if (!bytes || bytes.length === 0) return undefined;
  const sound = new Blob([bytes], { type: playedType(format) });
  kept.delete(id);
  kept.set(id, sound);
  let total = 0;
  for (const one of kept.values()) total += one.size;
  for (const [oldest, one] of kept) {
    if (total <= KEPT || oldest === id) break;
    kept.delete(oldest);
    total -= one.size;
  }
  return sound;
}

export function keptSound(id: string): Blob | undefined {
  return kept.get(id);
}
