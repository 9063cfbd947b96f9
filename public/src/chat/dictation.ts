/** The browser's own speech recognition. The protocol transcribes only what is sent at once. */

export interface Recognition {
  lang: string;
  continuous: boolean;
  interimResults: boolean;
  onresult: ((event: { results: ArrayLike<ArrayLike<{ transcript: string }>> }) => void) | null;
  onerror: ((event: { error: string }) => void) | null;
  onend: (() => void) | null;
  start(): void;
  stop(): void;
  abort(): void;
}

type Maker = new () => Recognition;

/** Null where the browser has none, or gives it to https pages only. */
export function recognitionMaker(): Maker | null {
  const { SpeechRecognition, webkitSpeechRecognition } = window as { SpeechRecognition?: Maker; webkitSpeechRecognition?: Maker };
  return window.isSecureContext ? (SpeechRecognition ?? webkitSpeechRecognition ?? null) : null;
}

/** All that was understood so far, also what may still change. */
export function heardWords(results: ArrayLike<ArrayLike<{ transcript: string }>>): string {
  return Array.from(results, (result) => result[0]?.transcript ?? "")
    .join(" ")
    .replace(/\s+/g, " ")
    .trim();
}

/** What a failure means: nothing was said, it is forbidden, or it does not work here at all. */
export function failureOf(error: string): "silence" | "denied" | "broken" {
  if (error === "no-speech" || error === "aborted") return "silence";
  return error === "not-allowed" || error === "audio-capture" ? "denied" : "broken";
}
