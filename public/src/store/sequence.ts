/**
 * The order of a terminal's output: what to write now, what to hold back, when to ask for a replay.
 *
 * No xterm, no socket, no clock in here. Output is incremental and numbered; a number at or below the
 * last one is a repetition, a number beyond the next one shows that something is missing. What is
 * missing is fetched with `session.replay`, and what arrives meanwhile waits its turn.
 */

/** One numbered piece of output; without a number it cannot be put in order and is written at once. */
export interface Piece {
  content: string;
  sequence?: number | undefined;
}

/** The answer to `session.replay`. */
export interface Replay {
  messages: readonly Piece[];
  has_more: boolean;
  first_sequence?: number | undefined;
  last_sequence?: number | undefined;
  current_sequence?: number | undefined;
}

/** What the view has to do, in this order: reset, then the writes, then the question. */
export interface Step {
  /** Empty the screen first: the numbering has begun anew. */
  reset: boolean;
  /** Text for the screen; `replayed` text is old and must not ring the bell or be answered. */
  writes: Write[];
  /** Ask `session.replay {since_sequence}`; absent when nothing is missing. */
  ask?: { since_sequence: number; limit: number };
}

export interface Write {
  text: string;
  replayed: boolean;
  /** Output before this text is gone for good. */
  lost: boolean;
}

/** Pieces in one replay answer; the workstation keeps a few thousand. */
export const REPLAY_LIMIT = 1000;
/** Characters held back while a replay is under way; above it they are dropped and fetched again. */
export const HELD_LIMIT = 4 * 1024 * 1024;
/** Unanswered questions in a row before what is missing is given up. */
export const ASK_LIMIT = 3;

export class Sequencer {
  /** The number of the last piece on the screen; 0: none yet. */
  last = 0;
  private asking = false;
  private unanswered = 0;
  private held = new Map<number, string>();
  private heldSize = 0;
  private highestHeld = 0;
  private dropped = false;

  /** A replay has been asked for and not been answered. */
  get waiting(): boolean {
    return this.asking;
  }

  /** The session was (re)subscribed: fetch what came since the last piece, or everything. */
  resume(): Step {
    this.unanswered = 0;
    return this.question(emptyStep());
  }

  /** Live output. */
  output(piece: Piece): Step {
    const step = emptyStep();
    if (piece.sequence === undefined) {
      step.writes.push({ text: piece.content, replayed: false, lost: false });
      return step;
    }
    if (piece.sequence <= this.last) return step;
    if (!this.asking && piece.sequence === this.last + 1) {
      this.take(step, piece.sequence, piece.content, false);
      return step;
    }
    this.hold(piece.sequence, piece.content);
    return this.asking ? step : this.question(step);
  }

  /** A replay's answer. One that was not asked for is used as far as it fits. */
  replay(answer: Replay): Step {
    const step = emptyStep();
    if (this.startedAnew(answer)) {
      this.forget();
      step.reset = true;
      return this.question(step);
    }
    const before = this.last;
    for (const piece of inOrder(answer.messages)) {
      if (piece.sequence === undefined || piece.sequence <= this.last) continue;
      this.take(step, piece.sequence, piece.content, true);
    }
    const progress = this.last > before;
    const unfinished = answer.has_more ? answer.messages.length > 0 : this.predates(answer);
    // Nothing new, and not all there is: the answer to an earlier question. The one that counts is on its way.
    if (unfinished && !progress) return step;
    this.asking = false;
    this.unanswered = 0;
    return unfinished ? this.question(step) : this.settle(step);
  }

  /** The question was not answered in time. */
  timedOut(): Step {
    const step = emptyStep();
    if (!this.asking) return step;
    this.asking = false;
    this.unanswered += 1;
    if (this.unanswered < ASK_LIMIT) return this.question(step);
    this.unanswered = 0;
    return this.settle(step);
  }

  /** The screen was emptied by somebody else: number from nothing. */
  forget(): void {
    this.last = 0;
    this.asking = false;
    this.clearHeld();
    this.dropped = false;
  }

  private startedAnew(answer: Replay): boolean {
    const current = answer.current_sequence;
    return current !== undefined && current < this.last;
  }

  /** The answer was given before the workstation wrote what is held back here. */
  private predates(answer: Replay): boolean {
    return answer.current_sequence !== undefined && answer.current_sequence < this.highestHeld;
  }

  /** Writes what was held back; what is still missing then is nowhere to be had. */
  private settle(step: Step): Step {
    for (const [sequence, content] of [...this.held].sort(([a], [b]) => a - b)) {
      if (sequence > this.last) this.take(step, sequence, content, false);
    }
    this.clearHeld();
    if (!this.dropped) return step;
    this.dropped = false;
    return this.question(step);
  }

  private take(step: Step, sequence: number, text: string, replayed: boolean): void {
    const lost = this.last > 0 && sequence > this.last + 1;
    step.writes.push({ text, replayed, lost });
    this.last = sequence;
  }

  private hold(sequence: number, content: string): void {
    if (this.dropped || this.held.has(sequence)) return;
    if (this.heldSize + content.length > HELD_LIMIT) {
      this.clearHeld();
      this.dropped = true;
      return;
    }
    this.held.set(sequence, content);
    this.highestHeld = Math.max(this.highestHeld, sequence);
    this.heldSize += content.length;
  }

  private clearHeld(): void {
    this.held.clear();
    this.highestHeld = 0;
    this.heldSize = 0;
  }

  private question(step: Step): Step {
    this.asking = true;
    step.ask = { since_sequence: this.last, limit: REPLAY_LIMIT };
    return step;
  }
}

function emptyStep(): Step {
  return { reset: false, writes: [] };
}

function inOrder(pieces: readonly Piece[]): Piece[] {
  return [...pieces].sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0));
}
