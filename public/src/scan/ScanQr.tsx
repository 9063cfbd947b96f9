/** The camera looking for a QR code, with a picture from the device as the way round it. */

import { type ChangeEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { scanText as text } from "~/text/scan";
import { useBackCloses } from "~/ui/overlays";
import { CameraError, closeCamera, openCamera, type Trouble } from "./camera";
import { type Decoder, makeDecoder } from "./decoder";
import "./scan.css";

export interface ScanQrProps {
  onText(text: string): void;
  onClose(): void;
}

/** Milliseconds between two looks. */
const LOOK_EVERY = 150;

export default function ScanQr({ onText, onClose }: ScanQrProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const found = useRef(onText);
  found.current = onText;
  const [open, setOpen] = useState(false);
  const [words, setWords] = useState("");
  useBackCloses(onClose);

  // Closed while it is still in the page: only then does the focus go back to where it was.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  useEffect(() => {
    const watch = new Watch(
      (code) => found.current(code),
      () => setOpen(true),
      (trouble) => setWords(text.trouble[trouble]),
    );
    if (video.current) void watch.begin(video.current);
    return () => watch.end();
  }, []);

  const picture = async (event: ChangeEvent<HTMLInputElement>): Promise<void> => {
    const file = event.currentTarget.files?.[0];
    event.currentTarget.value = "";
    if (!file) return;
    const code = await codeIn(file);
    if (code) found.current(code);
    else setWords(text.noCode);
  };

  return (
    <dialog ref={dialog} className="sheet scan" aria-labelledby="scan-title" onClose={onClose}>
      <h2 id="scan-title">{text.title}</h2>
      <div className="scan-window" data-open={open || undefined}>
        <video ref={video} muted playsInline aria-hidden="true" />
        {open && <div className="scan-frame" aria-hidden="true" />}
        <p role="status" className={words ? "scan-trouble" : open ? "sr-only" : "scan-opening"}>
          {words || (open ? text.hint : text.opening)}
        </p>
      </div>
      {!words && <p className="scan-hint">{text.hint}</p>}
      <div className="scan-actions">
        <label className="scan-picture">
          <input type="file" accept="image/*" onChange={(event) => void picture(event)} />
          {text.picture}
        </label>
        <button type="button" className="scan-close" autoFocus onClick={onClose}>
          {text.close}
        </button>
      </div>
    </dialog>
  );
}

/** One look after the other until a code is found or the dialog goes. */
class Watch {
  private stream: MediaStream | undefined;
  private timer: number | undefined;
  private ended = false;

  constructor(
    private readonly found: (code: string) => void,
    private readonly opened: () => void,
    private readonly failed: (trouble: Trouble) => void,
  ) {}

  async begin(video: HTMLVideoElement): Promise<void> {
    try {
      const [stream, decode] = await Promise.all([openCamera(), makeDecoder()]);
      this.stream = stream;
      if (this.ended) return this.end();
      video.srcObject = stream;
      await video.play();
      this.opened();
      this.look(video, decode);
    } catch (error) {
      if (!this.ended) this.failed(error instanceof CameraError ? error.trouble : "failed");
    }
  }

  end(): void {
    this.ended = true;
    window.clearTimeout(this.timer);
    if (this.stream) closeCamera(this.stream);
  }

  private look(video: HTMLVideoElement, decode: Decoder): void {
    this.timer = window.setTimeout(async () => {
      const code = await decode(video);
      if (this.ended) return;
      if (!code) return this.look(video, decode);
      this.end();
      this.found(code);
    }, LOOK_EVERY);
  }
}

async function codeIn(file: File): Promise<string | undefined> {
  try {
    const [picture, decode] = await Promise.all([createImageBitmap(file), makeDecoder()]);
    return await decode(picture);
  } catch {
    return undefined;
  }
}
