/** Carries this tab's messages to the workstation: once each, in order, and says what became of them. */

import { ACK_WITHIN, REST, VOICE_ACK_WITHIN } from "../protocol/limits";
import { newId } from "../protocol/ids";
import type { Incoming, Outgoing } from "../protocol/messages";
import * as outgoing from "../protocol/outgoing";
import * as memory from "../vault/memory";
import { livingTabs } from "../vault/tabs";
import type { SavedItem } from "../vault/vault";
import { departure, rowOf } from "./arrival";
import { acceptOwn, applyExecuting } from "./chat";
import { update, type Core } from "./core";
import { afterLoss, change, nextToSend, stateForNew, without } from "./outbox";
import { chatOf, sessionOf, withChat } from "./sessions";
import type { ChatKey, OutboxItem } from "./state";

type Failure = Extract<Incoming, { type: "error" }>;

/** Begins the name under which a message is marked that is done with, until the vault has dropped it. */
const DONE = "done.";
/** Begins the name under which is kept how a message left this device, until the vault has it: a page may end before. */
const LEFT = "left.";

export class Courier {
  private readonly deadlines = new Map<string, () => void>();
  private pumping = false;
  private restUntil = 0;
  /** Writes to the vault, one after the other: a late "keep" must not bring a sent message back. */
  private writes: Promise<unknown> = Promise.resolve();

  constructor(private readonly core: Core) {}

  /** Returns the message's id. */
  take(chat: ChatKey, content: Pick<OutboxItem, "text" | "audio" | "format" | "duration" | "reply"> & Partial<OutboxItem>): string {
    const state = this.core.store.getState();
    const item: OutboxItem = {
      id: newId("msg"),
      chat,
      createdAt: this.core.clock.now(),
      sentAt: null,
      state: stateForNew(state, chat),
      error: null,
      ...content,
    };
    this.core.store.setState({ outbox: [...state.outbox, item] });
    this.release(chat);
    this.keep(item.id);
    this.pump();
    return item.id;
  }

  /** Puts on the wire whatever may go now. */
  pump(): void {
    if (this.pumping || !this.core.synced || !this.core.link?.usable) return;
    if (this.core.clock.now() < this.restUntil) return;
    this.pumping = true;
    for (let item = nextToSend(this.core.store.getState()); item; item = nextToSend(this.core.store.getState())) {
      if (!this.put(item)) break;
    }
    this.pumping = false;
  }

  /** At once, though the agent works or an earlier try failed. The id stays, so that the workstation knows it again. */
  push(id: string): void {
    const state = this.find(id)?.state;
    // Tapped twice: the shipped workstation would do twice what it gets twice.
    if (state === "sending" || state === "unsure" || state === "held") return;
    this.alter(id, { state: "waiting", error: null });
    const item = this.find(id);
    if (item) this.release(item.chat);
    if (item && this.core.synced) this.put(item);
  }

  discard(id: string): void {
    this.stopDeadline(id);
    update(this.core, (state) => ({ outbox: without(state.outbox, id) }));
    // At once: a page that ends before the vault has written would leave the message to be sent again.
    memory.remember(DONE + id, true);
    this.drop(id);
  }

  drop(id: string): void {
    this.write(async () => {
      await this.core.vault.dropItem(id);
      memory.remember(DONE + id, undefined);
      memory.remember(LEFT + id, undefined);
    });
  }

  /** The unsent messages in the vault, oldest first: not those that another tab cares for, nor those that were done with when their page ended. */
  async unclaimed(): Promise<SavedItem[]> {
    const done = memory.recallAll<boolean>(DONE);
    const left = memory.recallAll<Partial<OutboxItem>>(LEFT);
    const [saved, living] = await Promise.all([this.core.vault.items(), livingTabs()]);
    for (const id of done.keys()) this.drop(id);
    const free = saved.filter(({ item, tab }) => !done.has(item.id) && (tab === this.core.tab || !living?.has(tab)));
    const known = new Set(saved.map(({ item }) => item.id));
    for (const id of left.keys()) if (!known.has(id)) memory.remember(LEFT + id, undefined);
    return free.map((each) => ({ ...each, item: { ...each.item, ...left.get(each.item.id) } })).sort((a, b) => a.item.createdAt - b.item.createdAt);
  }

  acknowledged(id: string): boolean {
    const item = this.find(id);
    if (!item) return false;
    update(this.core, (state) => withChat(state, item.chat, (chat) => acceptOwn(chat, item, this.core.clock.now())));
    this.discard(id);
    return true;
  }

  /** True when the error was about a message of ours. */
  refused({ id, code, message }: Failure): boolean {
    const item = id === undefined ? undefined : this.find(id);
    if (!item) return false;
    this.stopDeadline(item.id);
    if (code === "SESSION_BUSY") {
      update(this.core, (state) => withChat(state, item.chat, (chat) => applyExecuting(chat, true)));
      this.alter(item.id, { state: "queued" });
    } else if (code === "WORKSTATION_OFFLINE" || code === "UNAUTHENTICATED") {
      this.rest();
      this.alter(item.id, { state: "waiting" });
    } else {
      this.alter(item.id, { state: "failed", error: code === "FORBIDDEN" ? code : message || code });
    }
    return true;
  }

  /** Another device has spoken first: quick replies that did not get through are void. */
  overtaken(chat: ChatKey): void {
    for (const item of this.core.store.getState().outbox) {
      if (item.chat === chat && item.reply && item.state === "queued") this.discard(item.id);
    }
  }

  /** Sessions that are gone: returns the words that waited for each, which are sent no more. */
  discardWhere(gone: (chat: ChatKey) => boolean): Map<ChatKey, string[]> {
    const words = new Map<ChatKey, string[]>();
    for (const item of this.core.store.getState().outbox.filter(({ chat }) => gone(chat))) {
      words.set(item.chat, [...(words.get(item.chat) ?? []), item.text].filter(Boolean));
      this.discard(item.id);
    }
    return words;
  }

  /** The history has told whether it arrived before the connection went. */
  settle = (item: OutboxItem, arrived: boolean | null): void => {
    if (arrived) this.acknowledged(item.id);
    else if (arrived === null) this.alter(item.id, { state: "failed", error: "no-ack" });
    else this.alter(item.id, { state: "waiting" });
  };

  lost(): void {
    for (const id of [...this.deadlines.keys()]) this.stopDeadline(id);
    update(this.core, (state) => ({ outbox: afterLoss(state.outbox) }));
  }

  /** Unsent messages of an earlier page, unless another tab still cares for them. */
  async inherit(workstationId: string): Promise<OutboxItem[]> {
    const mine = (await this.unclaimed()).filter((each) => each.workstationId === workstationId);
    const items = mine.map(({ item }): OutboxItem => (item.state === "sending" ? { ...item, state: "unsure" } : item));
    for (const item of items) this.save(workstationId, item);
    return items;
  }

  /** Once all that was begun is written. */
  written(): Promise<unknown> {
    return this.writes;
  }

  private rest(): void {
    this.restUntil = this.core.clock.now() + REST;
    this.core.clock.after(REST, () => this.pump());
  }

  /** The user has spoken again: the queue goes on. */
  private release(chat: ChatKey): void {
    update(this.core, (state) => withChat(state, chat, (each) => (each.held ? { ...each, held: false } : each)));
  }

  /** What is noted of a message as it leaves this device for the first time. */
  leaving(item: OutboxItem): Pick<OutboxItem, "departure"> {
    return { departure: item.departure ?? departure(chatOf(this.core.store.getState(), item.chat), item, this.core.clock.now()) };
  }

  private put(item: OutboxItem): boolean {
    if (!this.core.send(messageOf(item))) return false;
    this.core.asked.add(item.chat);
    this.alter(item.id, { ...this.leaving(item), state: "sending", sentAt: this.core.clock.now(), error: null });
    this.stopDeadline(item.id);
    const within = item.audio === undefined ? ACK_WITHIN : VOICE_ACK_WITHIN;
    this.deadlines.set(item.id, this.core.clock.after(within, () => this.late(item.id)));
    return true;
  }

  private late(id: string): void {
    this.deadlines.delete(id);
    const item = this.find(id);
    if (item?.state !== "sending") return;
    if (rowOf(chatOf(this.core.store.getState(), item.chat), item) >= 0) this.acknowledged(id);
    else this.alter(id, { state: "failed", error: "no-ack" });
  }

  private stopDeadline(id: string): void {
    this.deadlines.get(id)?.();
    this.deadlines.delete(id);
  }

  alter(id: string, fields: Partial<OutboxItem>): void {
    update(this.core, (state) => ({ outbox: change(state.outbox, id, fields) }));
    this.keep(id);
  }

  keep(id: string): void {
    const item = this.find(id);
    const workstationId = this.core.store.getState().current;
    if (!item || !workstationId) return;
    const { state, sentAt, hold, departure } = item;
    if (state === "sending" || state === "held") memory.remember(LEFT + id, { state, sentAt, hold, departure });
    this.save(workstationId, item);
  }

  private save(workstationId: string, item: OutboxItem): void {
    this.write(async () => {
      await this.core.vault.keepItem({ workstationId, tab: this.core.tab, item });
      if (this.find(item.id) === item) memory.remember(LEFT + item.id, undefined);
    });
  }

  /** A full or forbidden storage costs the message only its life beyond this page. */
  private write(work: () => Promise<void>): void {
    this.writes = this.writes.then(work).catch(() => {});
  }

  private find(id: string): OutboxItem | undefined {
    return this.core.store.getState().outbox.find((item) => item.id === id);
  }
}

/** As it goes on the wire. */
export function messageOf({ id, chat, text, audio, format }: OutboxItem): Outgoing {
  const session = sessionOf(chat);
  return audio === undefined ? outgoing.say(id, session, text) : outgoing.sayVoice(id, session, audio, format ?? "webm");
}
