/** Signs of life: pings to the tunnel, heartbeats to the workstation, and what their absence means. */

import {
  HEARTBEAT_EVERY,
  HEARTBEAT_WITHIN,
  HEARTBEATS_LOST,
  PING_EVERY,
  PONG_WITHIN,
  PROBE_WITHIN,
} from "../protocol/limits";
import type { Outgoing } from "../protocol/messages";
import * as outgoing from "../protocol/outgoing";
import type { Clock } from "./types";

export interface PulseEvents {
  send(message: Outgoing): boolean;
  /** What a ping says of this end; undefined where the server does not know it. */
  looking(): { seen: number; visible: boolean } | undefined;
  verified(): void;
  degraded(): void;
  dead(why: string): void;
}

export class Pulse {
  private nextPing: () => void = () => {};
  private silence: (() => void) | null = null;
  private nextBeat: () => void = () => {};
  private beatDeadline: () => void = () => {};
  private expected: string | null = null;
  private missed = 0;
  private count = 0;

  constructor(
    private readonly clock: Clock,
    private readonly events: PulseEvents,
  ) {}

  start(): void {
    this.stop();
    this.nextPing = this.clock.after(PING_EVERY, () => this.ping(PONG_WITHIN));
  }

  stop(): void {
    this.nextPing();
    this.sign();
    this.stopBeating();
  }

  /** Anything at all arrived: the tunnel lives. */
  sign(): void {
    this.silence?.();
    this.silence = null;
  }

  /** Find out now whether the socket survived a sleep or a change of network. */
  probe(): void {
    this.sign();
    this.nextPing();
    this.ping(PROBE_WITHIN);
  }

  /** Say what this end is at, without waiting for an answer. */
  look(): void {
    if (this.events.looking()) this.events.send(outgoing.ping(this.clock.now(), this.events.looking()));
  }

  startBeating(): void {
    this.stopBeating();
    this.sendBeat();
  }

  stopBeating(): void {
    this.nextBeat();
    this.beatDeadline();
    this.expected = null;
    this.missed = 0;
  }

  beat(id: string): void {
    if (this.expected === null || (id && id !== this.expected)) return;
    this.beatDeadline();
    this.expected = null;
    this.missed = 0;
    this.events.verified();
  }

  private ping(within: number): void {
    this.nextPing = this.clock.after(PING_EVERY, () => this.ping(PONG_WITHIN));
    if (!this.events.send(outgoing.ping(this.clock.now(), this.events.looking()))) return;
    this.silence ??= this.clock.after(within, () => this.events.dead("silent"));
  }

  private sendBeat(): void {
    this.count += 1;
    this.expected = `beat-${this.count}`;
    this.events.send(outgoing.heartbeat(this.expected, this.clock.now()));
    this.nextBeat = this.clock.after(HEARTBEAT_EVERY, () => this.sendBeat());
    this.beatDeadline = this.clock.after(HEARTBEAT_WITHIN, () => this.lost());
  }

  private lost(): void {
    this.expected = null;
    this.missed += 1;
    if (this.missed >= HEARTBEATS_LOST) this.events.dead("heartbeat");
    else this.events.degraded();
  }
}
