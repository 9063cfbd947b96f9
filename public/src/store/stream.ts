/** Snapshots of an answer come many times a second; only the latest of each moment is shown. */

import { STREAM_EVERY } from "../protocol/limits";
import type { Incoming } from "../protocol/messages";
import type { Clock } from "../connection/types";

type Output = Extract<Incoming, { type: "output" }>;

export class Stream {
  private readonly waiting = new Map<string, Output>();
  private stop: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly show: (output: Output) => void,
  ) {}

  take(output: Output): void {
    const key = `${output.chat ?? ""} ${output.streamingId ?? ""}`;
    this.waiting.delete(key);
    this.waiting.set(key, output);
    if (output.complete) this.flush();
    else this.stop ??= this.clock.after(STREAM_EVERY, () => this.flush());
  }

  /** Before anything else of the same chats is applied, so that the order is kept. */
  flush(): void {
    this.stop?.();
    this.stop = null;
    const outputs = [...this.waiting.values()];
    this.waiting.clear();
    outputs.forEach(this.show);
  }

  clear(): void {
    this.waiting.clear();
    this.flush();
  }
}
