/** Which audio the browser records, and what the workstation calls it. */

import type { AudioFormat } from "~/protocol/messages";

export interface Recordable {
  /** What MediaRecorder is asked for. */
  mime: string;
  /** What `audio_format` says. */
  name: AudioFormat;
}

/** In order of preference: Opus in WebM nearly everywhere, MP4 on Safari. */
const WANTED: readonly Recordable[] = [
  { mime: "audio/webm;codecs=opus", name: "webm" },
  { mime: "audio/webm", name: "webm" },
  { mime: "audio/mp4;codecs=mp4a.40.2", name: "mp4" },
  { mime: "audio/mp4", name: "mp4" },
];

/** The first format that the browser can record; nothing when it can record none of them. */
export function recordingFormat(supported: (mime: string) => boolean): Recordable | undefined {
  return WANTED.find((format) => supported(format.mime));
}

const PLAYED = new Map(Object.entries({
  mp3: "audio/mpeg",
  mpeg: "audio/mpeg",
  wav: "audio/wav",
  webm: "audio/webm",
  opus: "audio/ogg; codecs=opus",
  ogg: "audio/ogg",
  mp4: "audio/mp4",
  m4a: "audio/mp4",
  aac: "audio/aac",
}));

/** The MIME type of received audio; answers are mp3 unless they say otherwise. */
export function playedType(format: string | undefined): string {
  return PLAYED.get((format ?? "mp3").toLowerCase()) ?? "audio/mpeg";
}

/** The bytes of base64, with or without a `data:` prefix; nothing when it is not base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const comma = text.startsWith("data:") ? text.indexOf(",") + 1 : 0;
  try {
    const binary = atob(text.slice(comma).replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Seconds as `0:07` or `12:34`. */
export function clock(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
