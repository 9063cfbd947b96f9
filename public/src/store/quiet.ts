/** Asks after answers that have gone quiet: the shipped workstation does not send each answer's last frame. */

import { newId } from "../protocol/ids";
import { QUIET_FIRST, QUIET_MOST, QUIET_SPOKEN } from "../protocol/limits";
import * as outgoing from "../protocol/outgoing";
import type { Core } from "./core";
import { SUPERVISOR, type Chat, type ChatKey } from "./state";

interface Quiet {
  since: number;
  /** How long it may be quiet before it is asked after; longer each time. */
  patience: number;
}

export class QuietAnswers {
  private readonly followed = new Map<ChatKey, Quiet>();
  private stop: (() => void) | null = null;

  constructor(private readonly core: Core) {
    core.store.subscribe((state, before) => state.chats !== before.chats && this.follow());
  }

  /** A frame of this chat's answer has come. */
  heard(key: ChatKey): void {
    this.followed.set(key, { since: this.core.clock.now(), patience: QUIET_FIRST });
  }

  private follow(): void {
    if (this.stop === null && this.executing().length > 0) this.stop = this.core.clock.after(QUIET_FIRST / 2, () => this.look());
  }

  private look(): void {
    this.stop = null;
    const now = this.core.clock.now();
    const executing = this.executing();
    const keys = new Set(executing.map(([key]) => key));
    for (const key of this.followed.keys()) if (!keys.has(key)) this.followed.delete(key);
    for (const [key, chat] of executing) {
      const quiet = this.followed.get(key);
      if (!quiet) this.heard(key);
      else if (now - quiet.since >= Math.max(quiet.patience, spoken(chat) ? QUIET_SPOKEN : 0)) this.ask(key, quiet.patience);
    }
    this.follow();
  }

  private ask(key: ChatKey, patience: number): void {
    if (!this.core.synced || !this.core.link?.usable) return;
    this.followed.set(key, { since: this.core.clock.now(), patience: Math.min(patience * 2, QUIET_MOST) });
    this.core.send(key === SUPERVISOR ? outgoing.sync(newId("sync")) : outgoing.subscribe(key));
  }

  private executing(): [ChatKey, Chat][] {
    return [...this.core.store.getState().chats].filter(([, chat]) => chat.executing);
  }
}

/** A recording is understood before the agent begins, and while it is, the agent does not work. */
function spoken(chat: Chat): boolean {
  const voice = chat.messages.at(-1)?.blocks.find((block) => block.kind === "voice_input");
  return voice?.content === "";
}
