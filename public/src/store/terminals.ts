/** Open terminals: subscribed while on screen, their output in order, their gaps repaired. */

import { REPLAY_WITHIN, TERMINAL_COLS_LEAST, TERMINAL_ROWS_LEAST } from "../protocol/limits";
import type { Incoming, ReplayPage } from "../protocol/messages";
import * as outgoing from "../protocol/outgoing";
import type { TerminalChunk, Unsubscribe } from "./client";
import { update, type Core } from "./core";
import { Sequencer, type Step } from "./sequence";
import type { TerminalState } from "./state";

type Listener = (chunk: TerminalChunk) => void;
type Subscribed = Extract<Incoming, { type: "session.subscribed" }>;
type Resized = Extract<Incoming, { type: "session.resized" }>;

interface Open {
  sequencer: Sequencer;
  listeners: Set<Listener>;
  /** The workstation has answered the subscription. */
  confirmed: boolean;
  stopWaiting: () => void;
  /** The size asked for last: who gets what it asked for is the master. */
  asked?: { cols: number; rows: number };
}

const UNKNOWN: TerminalState = { isMaster: null, cols: 0, rows: 0, subscribed: false, repairing: false };

export class Terminals {
  private readonly open = new Map<string, Open>();

  constructor(private readonly core: Core) {}

  watch(id: string, listener: Listener): Unsubscribe {
    const terminal = this.open.get(id) ?? { sequencer: new Sequencer(), listeners: new Set(), confirmed: false, stopWaiting: () => {} };
    const first = terminal.listeners.size === 0;
    this.open.set(id, terminal);
    terminal.listeners.add(listener);
    if (first) this.subscribe(id);
    else this.replay(id);
    return () => this.leave(id, listener);
  }

  /** From the start, for a new or a garbled screen. */
  replay(id: string): void {
    const terminal = this.open.get(id);
    if (!terminal) return;
    terminal.sequencer.forget();
    this.tell(terminal, { kind: "reset" });
    this.take(id, terminal.sequencer.resume());
  }

  /** Authenticated anew: the workstation may have forgotten our subscriptions. */
  resume(): void {
    for (const id of this.open.keys()) this.subscribe(id);
  }

  /** The workstation still knows the subscriptions that it has confirmed, and what they missed was repeated. */
  resumed(): void {
    for (const [id, terminal] of this.open) {
      if (!terminal.confirmed) this.subscribe(id);
      else {
        this.change(id, { subscribed: true });
        if (terminal.sequencer.waiting) this.take(id, terminal.sequencer.timedOut());
      }
    }
  }

  lost(): void {
    for (const [id, terminal] of this.open) {
      terminal.stopWaiting();
      this.change(id, { subscribed: false });
    }
  }

  close(): void {
    for (const terminal of this.open.values()) terminal.stopWaiting();
    this.open.clear();
  }

  subscribed(message: Subscribed): void {
    const terminal = this.open.get(message.sessionId);
    if (terminal) terminal.confirmed = true;
    this.change(message.sessionId, {
      subscribed: true,
      isMaster: message.isMaster ?? null,
      ...(message.cols !== undefined && { cols: message.cols }),
      ...(message.rows !== undefined && { rows: message.rows }),
    });
  }

  resized({ sessionId, success, cols, rows, reason }: Resized): void {
    const terminal = this.open.get(sessionId);
    const ours = terminal?.asked?.cols === cols && terminal.asked.rows === rows;
    if (success) this.change(sessionId, { cols, rows, ...(ours && { isMaster: true }) });
    else if (reason === "not_master") this.change(sessionId, { isMaster: false, ...(cols > 0 && rows > 0 && { cols, rows }) });
    if (terminal && !success) delete terminal.asked;
  }

  output(id: string, content: string, sequence: number | undefined): void {
    const terminal = this.open.get(id);
    if (terminal) this.take(id, terminal.sequencer.output({ content, sequence }));
  }

  replayed(id: string, page: ReplayPage): void {
    const terminal = this.open.get(id);
    if (!terminal) return;
    this.take(id, terminal.sequencer.replay({
      messages: page.messages,
      has_more: page.hasMore,
      first_sequence: page.firstSequence,
      last_sequence: page.lastSequence,
      current_sequence: page.currentSequence,
    }));
  }

  input(id: string, data: string): void {
    if (this.core.link?.usable) this.core.send(outgoing.input(id, data));
  }

  resize(id: string, cols: number, rows: number): void {
    const terminal = this.open.get(id);
    if (!terminal || !this.core.link?.usable) return;
    terminal.asked = { cols: Math.max(cols, TERMINAL_COLS_LEAST), rows: Math.max(rows, TERMINAL_ROWS_LEAST) };
    this.core.send(outgoing.resize(id, terminal.asked.cols, terminal.asked.rows));
  }

  private subscribe(id: string): void {
    const terminal = this.open.get(id);
    if (!terminal || !this.core.link?.usable) return;
    terminal.confirmed = false;
    this.core.send(outgoing.subscribe(id));
    this.take(id, terminal.sequencer.resume());
  }

  private leave(id: string, listener: Listener): void {
    const terminal = this.open.get(id);
    if (!terminal?.listeners.delete(listener) || terminal.listeners.size > 0) return;
    terminal.stopWaiting();
    this.open.delete(id);
    if (this.core.link?.usable) this.core.send(outgoing.unsubscribe(id));
    this.change(id, UNKNOWN);
  }

  private take(id: string, step: Step): void {
    const terminal = this.open.get(id);
    if (!terminal) return;
    if (step.reset) this.tell(terminal, { kind: "reset" });
    for (const write of step.writes) this.tell(terminal, { kind: "data", ...write });
    if (step.ask) this.ask(id, terminal, step.ask.since_sequence, step.ask.limit);
    else if (!terminal.sequencer.waiting) terminal.stopWaiting();
    this.change(id, { repairing: terminal.sequencer.waiting });
  }

  private ask(id: string, terminal: Open, since: number, limit: number): void {
    terminal.stopWaiting();
    this.core.send(outgoing.replay(id, since, limit));
    terminal.stopWaiting = this.core.clock.after(REPLAY_WITHIN, () => this.take(id, terminal.sequencer.timedOut()));
  }

  private tell(terminal: Open, chunk: TerminalChunk): void {
    for (const listener of terminal.listeners) listener(chunk);
  }

  private change(id: string, fields: Partial<TerminalState>): void {
    update(this.core, (state) => {
      const before = state.terminals.get(id) ?? UNKNOWN;
      const after = { ...before, ...fields };
      const same = (Object.keys(after) as (keyof TerminalState)[]).every((name) => after[name] === before[name]);
      return same && state.terminals.has(id) ? {} : { terminals: new Map(state.terminals).set(id, after) };
    });
  }
}
