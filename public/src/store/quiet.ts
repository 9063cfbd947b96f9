/** Asks after answers that have become silent: some workstations never send the last frame of an answer. */

import { newId } from "../protocol/ids";
import { QUIET_FIRST, QUIET_MOST, QUIET_SPOKEN } from "../protocol/limits";
import * as outgoing from "../protocol/outgoing";
import type { Core } from "./core";
import { chatOf } from "./sessions";
import { SUPERVISOR, type Chat, type ChatKey, type State } from "./state";

/** Watches every chat whose agent works. The workstation's answer, to `session.subscribe` or `sync`, ends the row. */
export class QuietAnswers {
  /** Stops the timer of each watched chat. */
  private readonly timers = new Map<ChatKey, () => void>();

  constructor(private readonly core: Core) {
    core.store.subscribe((state, before) => state.chats !== before.chats && this.follow(state));
  }

  /** Wait anew: a frame of this chat's answer has arrived. */
  received(key: ChatKey): void {
    if (this.timers.has(key)) this.wait(key, QUIET_FIRST);
  }

  private follow({ chats }: State): void {
    for (const key of [...this.timers.keys()]) if (!chats.get(key)?.executing) this.stop(key);
    for (const [key, { executing }] of chats) if (executing && !this.timers.has(key)) this.wait(key, QUIET_FIRST);
  }

  private wait(key: ChatKey, milliseconds: number): void {
    this.stop(key);
    this.timers.set(key, this.core.clock.after(milliseconds, () => this.due(key, milliseconds)));
  }

  private stop(key: ChatKey): void {
    this.timers.get(key)?.();
    this.timers.delete(key);
  }

  private due(key: ChatKey, waited: number): void {
    if (isBeingUnderstood(chatOf(this.core.store.getState(), key), this.core.clock.now())) return this.wait(key, QUIET_FIRST);
    // Without a connection there is nothing to ask: the next one begins with a synchronisation.
    if (this.core.synced) this.core.send(key === SUPERVISOR ? outgoing.sync(newId("sync")) : outgoing.subscribe(key));
    this.wait(key, Math.min(2 * waited, QUIET_MOST));
  }
}

/** Until the words of a recording are there, the workstation may not say that it works. */
function isBeingUnderstood({ messages }: Chat, now: number): boolean {
  const last = messages.at(-1);
  return last !== undefined && now - last.seenAt < QUIET_SPOKEN && last.blocks.some((block) => block.kind === "voice_input" && block.content === "");
}
