/** Where this device is in what the server has sent it, so that a new socket can go on from there. */

import type { Incoming } from "../protocol/messages";

export interface Place {
  epoch: string;
  seq: number;
}

export class Cursor {
  private place: Place | null = null;
  /** The server of the present socket knows cursors. */
  known = false;

  /** What `connect` asks for. */
  get asks(): Place | object {
    return this.place ? { ...this.place } : {};
  }

  /** The last message that was processed here. */
  get seen(): number | null {
    return this.known && this.place ? this.place.seq : null;
  }

  /** Return whether nothing was lost since the last socket. */
  connected({ resume }: Extract<Incoming, { type: "connected" }>): boolean {
    this.known = resume !== undefined;
    this.place = resume ? { epoch: resume.epoch, seq: resume.seq } : null;
    return resume?.verdict === "ok";
  }

  /** Count a message, or take over the server's number. Call it after the message was processed. */
  received(message: Incoming): void {
    if (message.type === "mark") this.place = { epoch: message.epoch, seq: message.seq };
    else if (this.place && counts(message)) this.place.seq += 1;
  }
}

/** Messages that the tunnel makes itself have no number. */
function counts(message: Incoming): boolean {
  switch (message.type) {
    case "connected":
    case "pong":
    case "error":
    case "auth.error":
    case "connection.offline":
    case "connection.online":
    case "receipt":
    case "held":
      return false;
    case "unknown":
      return message.name !== null && !/^(tunnel\.|connection\.|workstation\.status$)/.test(message.name);
    default:
      return true;
  }
}
