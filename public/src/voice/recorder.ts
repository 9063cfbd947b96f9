/**
 * One recording from the microphone: start, level, finish or cancel. No React in here.
 *
 * The microphone is opened for each recording and closed after it, so that the browser's sign for an
 * open microphone is lit only while somebody speaks.
 */

import { RECORDING_MOST } from "~/protocol/limits";
import { type Recordable, recordingFormat } from "./format";
import { type Trouble, standing, troubleOf } from "./trouble";

/** Seconds after which a recording ends by itself. */
export const LONGEST = RECORDING_MOST / 1000;
/** Seconds below which a recording is a slip of the finger and is thrown away. */
export const SHORTEST = 0.4;
/** Bits a second: speech needs no more, and five minutes stay below 2 MiB. */
const BIT_RATE = 32_000;
/** Milliseconds between two looks at the level. */
const LEVEL_EVERY = 60;

export interface Recording {
  audio: Blob;
  format: Recordable["name"];
  seconds: number;
}

export interface Listener {
  /** 0 to 1, about sixteen times a second, with the seconds so far. */
  level(level: number, seconds: number): void;
  /** The longest length is reached; `finish` should follow. */
  full(): void;
  /** The microphone went away in the middle (unplugged, taken by a call); `finish` saves what there is. */
  broken(trouble: Trouble): void;
}

export class MicrophoneError extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble);
    this.name = "MicrophoneError";
  }
}

export function microphoneTrouble(): Trouble | undefined {
  return standing({
    secure: window.isSecureContext,
    devices: navigator.mediaDevices !== undefined,
    recorder: typeof MediaRecorder !== "undefined",
  });
}

export class Recorder {
  private readonly parts: Blob[] = [];
  private readonly startedAt = performance.now();
  private readonly meter: Meter;
  private readonly timer: number;
  private ended = false;

  private constructor(
    private readonly stream: MediaStream,
    private readonly machine: MediaRecorder,
    private readonly format: Recordable,
    listener: Listener,
  ) {
    this.meter = new Meter(stream);
    machine.addEventListener("dataavailable", (event) => this.parts.push(event.data));
    machine.addEventListener("error", (event) => this.breakOff(troubleOf(errorOf(event)), listener));
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => this.breakOff("busy", listener));
    }
    machine.start(1000);
    let full = false;
    this.timer = window.setInterval(() => {
      listener.level(this.meter.level(), this.seconds);
      if (full || this.seconds < LONGEST) return;
      full = true;
      listener.full();
    }, LEVEL_EVERY);
  }

  /** Opens the microphone; throws `MicrophoneError`. */
  static async start(listener: Listener): Promise<Recorder> {
    const trouble = microphoneTrouble();
    if (trouble) throw new MicrophoneError(trouble);
    const format = recordingFormat((mime) => MediaRecorder.isTypeSupported(mime));
    if (!format) throw new MicrophoneError("unsupported");
    const stream = await microphone();
    try {
      const machine = new MediaRecorder(stream, { mimeType: format.mime, audioBitsPerSecond: BIT_RATE });
      return new Recorder(stream, machine, format, listener);
    } catch (error) {
      close(stream);
      throw new MicrophoneError(troubleOf(error));
    }
  }

  get seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  /** Ends the recording; nothing when it was too short to hold a word, or was cancelled before. */
  async finish(): Promise<Recording | undefined> {
    const seconds = this.seconds;
    if (!(await this.end()) || seconds < SHORTEST) return undefined;
    const audio = new Blob(this.parts, { type: this.format.mime });
    return audio.size > 0 ? { audio, format: this.format.name, seconds } : undefined;
  }

  cancel(): void {
    void this.end();
  }

  private async end(): Promise<boolean> {
    if (this.ended) return false;
    this.ended = true;
    window.clearInterval(this.timer);
    await stopped(this.machine);
    this.meter.close();
    close(this.stream);
    return true;
  }

  private breakOff(trouble: Trouble, listener: Listener): void {
    if (!this.ended) listener.broken(trouble);
  }
}

async function microphone(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    throw new MicrophoneError(troubleOf(error));
  }
}

function close(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function errorOf(event: Event): unknown {
  return "error" in event ? event.error : undefined;
}

function stopped(machine: MediaRecorder): Promise<void> {
  if (machine.state === "inactive") return Promise.resolve();
  return new Promise((resolve) => {
    machine.addEventListener("stop", () => resolve(), { once: true });
    machine.stop();
  });
}

/** The loudness of a stream, 0 to 1. */
class Meter {
  private readonly context = new AudioContext();
  private readonly analyser = this.context.createAnalyser();
  private readonly samples: Uint8Array<ArrayBuffer>;

  constructor(stream: MediaStream) {
    this.analyser.fftSize = 1024;
    this.samples = new Uint8Array(this.analyser.fftSize);
    this.context.createMediaStreamSource(stream).connect(this.analyser);
  }

  level(): number {
    this.analyser.getByteTimeDomainData(this.samples);
    return loudness(this.samples);
  }

  close(): void {
    void this.context.close();
  }
}

/** Root mean square of 8-bit samples around 128, stretched so that speech fills the meter. */
export function loudness(samples: Uint8Array): number {
  let sum = 0;
  for (const sample of samples) sum += ((sample - 128) / 128) ** 2;
  return Math.min(1, Math.sqrt(sum / Math.max(1, samples.length)) * 4);
}
