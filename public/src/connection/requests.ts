/** Questions on their way: each gets its answer, an error, or the end of its time. */

import { ANSWER_WITHIN } from "../protocol/limits";
import type { Incoming, Outgoing } from "../protocol/messages";
import type { Clock } from "./types";

/** Why a question has no answer: a code of the protocol, or `lost`, `timeout`, `offline`. */
export class RequestFailed extends Error {
  constructor(
    readonly code: string,
    message = code,
  ) {
    super(message);
  }
}

interface Pending {
  settle(message: Incoming): void;
  fail(error: RequestFailed): void;
}

export class Requests {
  private readonly pending = new Map<string, Pending>();

  constructor(
    private readonly send: (message: Outgoing) => boolean,
    private readonly clock: Clock,
  ) {}

  /** `message` must carry the `id` under which the answer will come. */
  ask(message: Outgoing & { id: string }): Promise<Incoming> {
    return new Promise((resolve, reject) => {
      const stop = this.clock.after(ANSWER_WITHIN, () => this.pending.get(message.id)?.fail(new RequestFailed("timeout")));
      const done = () => {
        stop();
        this.pending.delete(message.id);
      };
      this.pending.set(message.id, {
        settle: (answer) => (done(), resolve(answer)),
        fail: (error) => (done(), reject(error)),
      });
      if (!this.send(message)) this.pending.get(message.id)?.fail(new RequestFailed("offline"));
    });
  }

  /** True when the message was an answer waited for here. */
  settle(message: Incoming): boolean {
    if (!("id" in message) || !message.id) return false;
    const pending = this.pending.get(message.id);
    if (!pending) return false;
    if (message.type === "error") pending.fail(new RequestFailed(message.code, message.message));
    else pending.settle(message);
    return true;
  }

  lost(): void {
    for (const pending of [...this.pending.values()]) pending.fail(new RequestFailed("lost"));
  }
}
