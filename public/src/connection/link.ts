/** One socket that opens, authenticates, proves itself alive and comes back by itself, for ever. */

import {
  AUTH_WITHIN,
  OPEN_WITHIN,
  RETRY_FIRST,
  RETRY_LIMITED,
  RETRY_MOST,
  RETRY_REFUSED,
  RETRY_UNKNOWN_TUNNEL,
} from "../protocol/limits";
import type { Incoming, Outgoing } from "../protocol/messages";
import * as outgoing from "../protocol/outgoing";
import { isDeviceKey } from "../protocol/pairing";
import { readMessage } from "../protocol/read";
import { Cursor } from "./cursor";
import { Pulse } from "./pulse";
import type { Clock, Link, LinkEvents, LinkTarget, Phase, Socket } from "./types";

const OPEN = 1;

export class ReconnectingLink implements Link {
  private socket: Socket | null = null;
  private phase: Phase = "idle";
  private why = "";
  private since = 0;
  private attempts = 0;
  private everConnected = false;
  private readonly cursor = new Cursor();
  /** A synchronisation is needed: messages were lost, or the workstation was away. */
  private behind = true;
  /** The server of this socket has listed what it keeps. */
  private listed = false;
  /** It has been asked for the list. */
  private asked = false;
  private stopDeadline: () => void = () => {};
  private stopRetry: () => void = () => {};
  private readonly pulse: Pulse;

  constructor(
    private readonly target: LinkTarget,
    private readonly open: (url: string) => Socket,
    private readonly clock: Clock,
    private readonly events: LinkEvents,
  ) {
    this.pulse = new Pulse(clock, {
      send: (message) => this.send(message),
      looking: () => (this.cursor.seen === null ? undefined : { seen: this.cursor.seen, visible: target.visible?.() ?? false }),
      verified: () => this.enter("verified", ""),
      degraded: () => this.enter("degraded", "heartbeat"),
      dead: (why) => this.drop(why),
    });
  }

  /** Authenticated: what is sent now reaches the workstation. */
  get usable(): boolean {
    return this.phase === "authenticated" || this.phase === "verified" || this.phase === "degraded";
  }

  start(): void {
    if (this.phase !== "idle") return;
    this.connect();
  }

  stop(): void {
    this.stopRetry();
    this.abandon();
    this.enter("idle", "");
  }

  send(message: Outgoing): boolean {
    if (!this.socket || this.socket.readyState !== OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** The user asked, the network came back, or the page woke up. */
  retry(): void {
    if (this.phase === "idle") return;
    if (this.socket) this.pulse.probe();
    else this.connect();
  }

  hidden(): void {
    this.pulse.look();
  }

  settled(): void {
    this.behind = false;
  }

  private connect(): void {
    this.stopRetry();
    this.abandon();
    this.enter("connecting", this.why);
    let socket: Socket;
    try {
      socket = this.open(this.target.url);
    } catch {
      this.retryLater("blocked", RETRY_MOST);
      return;
    }
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = (event) => this.arrived(event.data);
    socket.onclose = () => this.drop("closed");
    this.within(OPEN_WITHIN, "no-answer");
  }

  private opened(): void {
    const { tunnelId, authKey, deviceId } = this.target;
    this.send(outgoing.connect(tunnelId, authKey, deviceId, this.everConnected, this.target.resumes ? this.cursor.asks : undefined));
    this.pulse.start();
    this.within(AUTH_WITHIN, "no-answer");
  }

  private arrived(raw: unknown): void {
    this.pulse.sign();
    const message = readMessage(raw, this.clock.now());
    if (!this.handle(message)) this.events.received(message);
    this.cursor.received(message);
  }

  /** True when the message concerned the link alone. */
  private handle(message: Incoming): boolean {
    switch (message.type) {
      case "connected":
        this.everConnected = true;
        if (!this.cursor.connected(message)) this.behind = true;
        this.enter("connected", "");
        this.authenticate();
        return true;
      case "auth.success":
        this.authenticated();
        return false;
      case "auth.error":
        this.refuse(message.code || "INVALID_AUTH_KEY");
        return true;
      case "connection.offline":
        this.workstationGone();
        return true;
      case "connection.online":
        this.behind = true;
        if (!this.usable) this.enter("connected", "");
        this.authenticate();
        return true;
      case "heartbeat.ack":
        this.pulse.beat(message.id);
        return true;
      case "held":
        this.listed = true;
        this.tell(null);
        return false;
      case "pong":
      case "mark":
        return true;
      case "error":
        return this.failed(message.code, message.id, message.reason);
      default:
        return false;
    }
  }

  private authenticate(): void {
    this.send(outgoing.auth(this.target.authKey, this.target.deviceId));
    if (!this.usable) this.within(AUTH_WITHIN, "no-auth");
  }

  private authenticated(): void {
    this.stopDeadline();
    this.attempts = 0;
    if (!this.usable) {
      this.enter("authenticated", "");
      this.pulse.startBeating();
    }
    this.events.ready(!this.behind);
  }

  /** An error before the workstation has accepted us, or one that says it has forgotten us. */
  private failed(code: string, id: string | undefined, reason = code): boolean {
    if (code === "UNAUTHENTICATED") {
      this.forgotten();
      return id === undefined;
    }
    if (this.usable) return false;
    if (code === "WORKSTATION_OFFLINE") {
      this.workstationGone();
      return id === undefined;
    }
    if (this.phase !== "connecting" && this.phase !== "connected") return false;
    this.refuse(code, reason);
    return true;
  }

  /** The workstation does not know us any more: nothing more is sent until it does. */
  private forgotten(): void {
    this.behind = true;
    if (this.usable) {
      this.pulse.stopBeating();
      this.enter("connected", "");
      this.events.lost();
    }
    this.authenticate();
  }

  /** The socket stays: `connected` or `workstation_online` will come on it by itself. */
  private workstationGone(): void {
    this.behind = true;
    this.stopDeadline();
    this.pulse.stopBeating();
    this.enter("workstation_offline", "");
    // A socket that finds the workstation away learns nothing of the server: whether it keeps messages is asked.
    if (this.target.resumes && !this.cursor.known && !this.asked) this.asked = this.send(outgoing.listHeld());
    this.events.lost();
  }

  private refuse(code: string, why = code): void {
    if (code === "TUNNEL_NOT_FOUND") return this.end("disconnected", code, RETRY_UNKNOWN_TUNNEL);
    if (code === "RATE_LIMITED") return this.end("disconnected", code, RETRY_LIMITED);
    if (why === "INVALID_AUTH_KEY" && isDeviceKey(this.target.authKey)) return this.end("refused", "key-ended", RETRY_REFUSED);
    if (code === "INVALID_AUTH_KEY" || code === "INVALID_PAYLOAD") return this.end("refused", why, RETRY_REFUSED);
    this.end("disconnected", code, this.backoff());
  }

  private drop(why: string): void {
    if (!this.socket) return;
    this.retryLater(globalThis.navigator?.onLine === false ? "network" : why, this.backoff());
  }

  private retryLater(why: string, delay: number): void {
    this.end("disconnected", why, delay);
  }

  private end(phase: Phase, why: string, delay: number): void {
    this.abandon();
    this.stopRetry = this.clock.after(delay, () => this.connect());
    this.enter(phase, why, this.clock.now() + delay);
    this.events.lost();
  }

  private backoff(): number {
    const delay = Math.min(RETRY_FIRST * 2 ** this.attempts, RETRY_MOST);
    this.attempts += 1;
    return delay;
  }

  private within(milliseconds: number, why: string): void {
    this.stopDeadline();
    this.stopDeadline = this.clock.after(milliseconds, () => this.drop(why));
  }

  private abandon(): void {
    this.stopDeadline();
    this.pulse.stop();
    const socket = this.socket;
    this.socket = null;
    this.listed = this.asked = this.cursor.known = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    try {
      socket.close(1000);
    } catch {
      // Closing a socket that never opened throws in some browsers; it is gone either way.
    }
  }

  private enter(phase: Phase, why: string, retryAt: number | null = null): void {
    if (phase === this.phase && why === this.why && retryAt === null) return;
    this.phase = phase;
    this.why = why;
    this.since = this.clock.now();
    this.tell(retryAt);
  }

  private tell(retryAt: number | null): void {
    const { phase, why, since } = this;
    this.events.changed({ phase, why, retryAt, since, keeps: this.socket !== null && (this.cursor.known || this.listed) });
  }
}
