/**
 * What a press of the record button means: a short one starts and a second one sends, a long one
 * records for as long as it is held, and one that leaves the button discards. Pure: the clock comes in
 * from outside.
 */

/** Milliseconds: a press shorter than this is a tap. */
export const TAP = 350;
/** Milliseconds after its start in which another tap is the second half of a double tap, and sends nothing. */
export const DOUBLE = 500;

export type Phase = "idle" | "opening" | "recording";
export type Verdict = "start" | "finish" | "cancel" | "nothing";

export class Gesture {
  private pressedAt: number | undefined;
  private startedByThisPress = false;
  private startedAt = Number.NEGATIVE_INFINITY;

  press(phase: Phase, now: number): Verdict {
    this.pressedAt = now;
    this.startedByThisPress = phase === "idle";
    if (this.startedByThisPress) this.startedAt = now;
    return this.startedByThisPress ? "start" : "nothing";
  }

  /** `away`: the finger left the button before it was lifted. */
  release(phase: Phase, now: number, away: boolean): Verdict {
    if (this.pressedAt === undefined) return "nothing";
    const long = now - this.pressedAt >= TAP;
    this.pressedAt = undefined;
    if (phase === "idle") return "nothing";
    if (away) return "cancel";
    // Let go while the microphone was opening, most likely to answer the browser's question: go on as after a tap.
    if (phase === "opening") return "nothing";
    if (!this.startedByThisPress && now - this.startedAt < DOUBLE) return "nothing";
    return this.startedByThisPress && !long ? "nothing" : "finish";
  }

  /** The press was taken away (a scroll, a call): it counts for nothing more. */
  drop(): void {
    this.pressedAt = undefined;
  }

  get held(): boolean {
    return this.pressedAt !== undefined;
  }
}
