/** Opens the camera, and tells why it cannot be had. */

export type Trouble = "insecure" | "denied" | "none" | "busy" | "failed";

export class CameraError extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble);
    this.name = "CameraError";
  }
}

const NAMED: Record<string, Trouble> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** The camera at the back where there is one; throws `CameraError`. */
export async function openCamera(): Promise<MediaStream> {
  if (!window.isSecureContext) throw new CameraError("insecure");
  if (!navigator.mediaDevices) throw new CameraError("failed");
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } },
    });
  } catch (error) {
    throw new CameraError(troubleOf(error));
  }
}

export function closeCamera(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

export function troubleOf(error: unknown): Trouble {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  return NAMED[name] ?? "failed";
}
