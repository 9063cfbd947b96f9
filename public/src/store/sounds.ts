/** Sound of answers and recordings: kept for a while once heard, fetched on demand else. */

import { newId } from "../protocol/ids";
import * as outgoing from "../protocol/outgoing";
import { RequestFailed } from "../connection/requests";
import type { Core } from "./core";

export interface Sound {
  audio: string;
  format: string;
}

/** Characters of base64 kept; the oldest go first. */
const KEPT_MOST = 32 * 1024 * 1024;

export class Sounds {
  private readonly kept = new Map<string, Sound>();
  private size = 0;

  constructor(private readonly core: Core) {}

  keep(kind: "input" | "output", messageId: string, sound: Sound): void {
    const name = `${kind} ${messageId}`;
    this.size -= this.kept.get(name)?.audio.length ?? 0;
    this.kept.delete(name);
    this.kept.set(name, sound);
    this.size += sound.audio.length;
    for (const [oldest, { audio }] of this.kept) {
      if (this.size <= KEPT_MOST || oldest === name) break;
      this.kept.delete(oldest);
      this.size -= audio.length;
    }
  }

  async request(messageId: string, kind: "input" | "output"): Promise<Sound> {
    const known = this.kept.get(`${kind} ${messageId}`);
    if (known) return known;
    const id = newId("audio");
    const answer = await this.core.requests.ask({ ...outgoing.audio(id, messageId, kind), id });
    if (answer.type !== "audio") throw new RequestFailed("INVALID_PAYLOAD");
    if (!answer.audio) throw new RequestFailed("no-audio", answer.error ?? "no-audio");
    const sound = { audio: answer.audio, format: formatOf(answer.audio) };
    this.keep(kind, messageId, sound);
    return sound;
  }

  clear(): void {
    this.kept.clear();
    this.size = 0;
  }
}

/** The answer does not say what it holds; the first bytes do. */
export function formatOf(base64: string): string {
  const head = atob(base64.slice(0, 16));
  if (head.startsWith("\x1aE\xdf\xa3")) return "webm";
  if (head.startsWith("OggS")) return "opus";
  if (head.startsWith("RIFF")) return "wav";
  if (head.slice(4, 8) === "ftyp") return "mp4";
  return "mp3";
}
