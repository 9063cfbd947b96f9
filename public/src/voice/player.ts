/**
 * The one player of the page: a new sound interrupts the one before, so that two answers never speak
 * at once. No React in here; the views subscribe.
 */

import { createStore } from "zustand/vanilla";

export const SPEEDS = [1, 1.25, 1.5, 2, 0.75] as const;

export interface Playing {
  /** Which sound (its `soundKey`); nothing when silent. */
  id: string | undefined;
  paused: boolean;
  at: number;
  length: number;
  speed: number;
  /** The browser wants a touch first, or the sound cannot be played. */
  trouble: "blocked" | "broken" | undefined;
}

const SILENT: Playing = { id: undefined, paused: true, at: 0, length: 0, speed: 1, trouble: undefined };

export class Player {
  private readonly store = createStore<Playing>(() => SILENT);
  private sound: HTMLAudioElement | undefined;
  private url: string | undefined;

  readonly now = this.store.getState;
  readonly subscribe = this.store.subscribe;

  /** Plays a sound from its beginning and ends whatever was playing. */
  async play(id: string, audio: Blob, length = 0): Promise<void> {
    this.stop();
    const url = URL.createObjectURL(audio);
    const sound = new Audio(url);
    this.url = url;
    this.sound = sound;
    sound.playbackRate = this.now().speed;
    this.follow(sound);
    this.store.setState({ id, paused: false, at: 0, length, trouble: undefined });
    await this.start(sound);
  }

  toggle(): void {
    const sound = this.sound;
    if (!sound) return;
    if (sound.paused) void this.start(sound);
    else sound.pause();
  }

  seek(seconds: number): void {
    if (!this.sound) return;
    this.sound.currentTime = Math.max(0, seconds);
    this.store.setState({ at: this.sound.currentTime });
  }

  speed(speed: number): void {
    if (this.sound) this.sound.playbackRate = speed;
    this.store.setState({ speed });
  }

  /** Silence at once; also called when a recording starts. */
  stop(): void {
    const sound = this.sound;
    this.sound = undefined;
    sound?.pause();
    sound?.removeAttribute("src");
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = undefined;
    const { id, speed } = this.now();
    if (id !== undefined) this.store.setState({ ...SILENT, speed });
  }

  private async start(sound: HTMLAudioElement): Promise<void> {
    try {
      await sound.play();
    } catch (error) {
      if (sound !== this.sound) return;
      const blocked = error instanceof DOMException && error.name === "NotAllowedError";
      this.store.setState({ paused: true, trouble: blocked ? "blocked" : "broken" });
    }
  }

  private follow(sound: HTMLAudioElement): void {
    const on = (event: string, act: () => Partial<Playing>): void => {
      sound.addEventListener(event, () => {
        if (sound === this.sound) this.store.setState(act());
      });
    };
    on("play", () => ({ paused: false, trouble: undefined }));
    on("pause", () => ({ paused: true }));
    on("ended", () => ({ paused: true, at: 0 }));
    on("timeupdate", () => ({ at: sound.currentTime }));
    on("error", () => ({ paused: true, trouble: "broken" }));
    // A recording streamed by MediaRecorder has no length of its own: Infinity.
    on("durationchange", () => (Number.isFinite(sound.duration) ? { length: sound.duration } : {}));
  }
}

export const player = new Player();

/** The speed after this one, round and round. */
export function nextSpeed(speed: number): number {
  const place = SPEEDS.findIndex((known) => known === speed);
  return SPEEDS[(place + 1) % SPEEDS.length] ?? 1;
}
