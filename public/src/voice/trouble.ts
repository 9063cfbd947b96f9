/** Why the microphone is not to be had, told apart so that the words can say what to do. */

export type Trouble = "insecure" | "denied" | "none" | "busy" | "unsupported" | "failed";

export interface Surroundings {
  secure: boolean;
  devices: boolean;
  recorder: boolean;
}

/** What stands in the way before the browser is even asked. */
export function standing(now: Surroundings): Trouble | undefined {
  if (!now.secure) return "insecure";
  if (!now.devices || !now.recorder) return "unsupported";
  return undefined;
}

const NAMED: Record<string, Trouble> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  PermissionDeniedError: "denied",
  NotFoundError: "none",
  DevicesNotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
  TrackStartError: "busy",
  NotSupportedError: "unsupported",
};

/** What an error of `getUserMedia` or `MediaRecorder` means. */
export function troubleOf(error: unknown): Trouble {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  return NAMED[name] ?? "failed";
}
