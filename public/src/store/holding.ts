/** Messages that the server keeps for the workstation: until it is back, or until a moment. */

import type { Receipt } from "../protocol/messages";
import { newId } from "../protocol/ids";
import { HOLD_MOST } from "../protocol/limits";
import * as outgoing from "../protocol/outgoing";
import { update, type Core } from "./core";
import { messageOf, type Courier } from "./courier";
import type { Drafts } from "./drafts";
import type { ChatKey, OutboxItem } from "./state";

/** What comes of a message that the server no longer holds. */
const ENDS: Partial<Record<Receipt["state"], Partial<OutboxItem>>> = {
  expired: { state: "failed", error: "hold-expired" },
  unsure: { state: "failed", error: "hold-unsure" },
};

export class Holding {
  private again: (() => void) | null = null;

  constructor(
    private readonly core: Core,
    private readonly courier: Courier,
    private readonly drafts: Drafts,
    /** Asks the history what became of a chat's messages. */
    private readonly doubt: (chat: ChatKey) => void,
  ) {}

  /** Hand messages over; return whether the server could be reached. `notBefore` in wall-clock milliseconds, null: as soon as the workstation is back. */
  hold(ids: string[], notBefore: number | null): boolean {
    if (!this.core.store.getState().connection.keeps) return false;
    const ttl = notBefore === null ? HOLD_MOST : Math.min(HOLD_MOST, Math.ceil((notBefore - this.core.clock.now()) / 1000) + HOUR);
    this.askLater();
    return ids.every((id) => {
      const item = this.find(id);
      if (!item || item.state === "sending" || item.hold?.until) return true;
      const sent = this.core.send({ ...messageOf(item), hold: { ttl, ...(notBefore !== null && { not_before: notBefore }) } });
      if (sent) this.courier.alter(id, { ...this.courier.leaving(item), state: "held", error: null, hold: { until: null, notBefore } });
      return sent;
    });
  }

  sendAt(chat: ChatKey, text: string, at: number): boolean {
    if (!this.core.store.getState().connection.keeps) return false;
    return this.hold([this.courier.take(chat, { text, state: "held", hold: { until: null, notBefore: at } })], at);
  }

  /** The answer is a receipt; a socket that waits for the workstation gets none, and is answered by the list. */
  unhold = (id: string): boolean => this.core.send(outgoing.unhold(id)) && this.core.send(outgoing.listHeld());

  /** A new socket: what became of what was handed over before? */
  connected(): void {
    this.core.send(outgoing.listHeld());
  }

  listed(receipts: Receipt[] | null): void {
    this.core.store.setState({ heldKnown: receipts !== null });
    // Nothing follows from it: what is sent in another way now might arrive twice.
    if (receipts === null) return this.askLater();
    this.core.store.setState({ held: new Map() });
    for (const receipt of receipts) {
      const ours = receipt.state !== "held" && this.find(receipt.id) !== undefined;
      this.receipt(receipt);
      // Received: the server need not repeat the outcome.
      if (ours) this.core.send(outgoing.unhold(receipt.id));
    }
    const known = new Set(receipts.map(({ id }) => id));
    for (const item of this.core.store.getState().outbox) if (item.state === "held" && !known.has(item.id)) this.forgotten(item);
  }

  /** A receipt may be lost where the tunnel moves in the server, and a list may have to wait for its store. */
  private askLater(): void {
    this.again?.();
    this.again = this.core.clock.after(ASK_AGAIN, () => {
      const { held, heldKnown, outbox } = this.core.store.getState();
      const ours = outbox.filter(({ state }) => state === "held");
      const open = ours.some(({ hold }) => hold?.until == null) || (!heldKnown && ours.length + held.size > 0);
      if (open && this.core.send(outgoing.listHeld())) this.askLater();
    });
  }

  receipt = (receipt: Receipt): void => {
    update(this.core, ({ held }) => ({ held: step(held, receipt) }));
    const item = this.find(receipt.id);
    if (!item) return;
    const { state } = receipt;
    if (state === "held") this.courier.alter(item.id, { state, error: null, hold: { until: receipt.until ?? null, notBefore: receipt.notBefore ?? item.hold?.notBefore ?? null } });
    else if (state === "delivered") this.courier.acknowledged(item.id);
    else if (state === "cancelled") this.takeBack(item);
    else if (state === "refused") this.refused(item, receipt.reason ?? "");
    else if (state === "unknown") this.forgotten(item);
    else this.courier.alter(item.id, ENDS[state]!);
  };

  /** The words are not lost with the wish to send them. */
  private takeBack({ id, chat, text }: OutboxItem): void {
    const draft = this.core.store.getState().drafts.get(chat) ?? "";
    if (text) this.drafts.write(chat, [text, draft].filter((words) => words.trim()).join("\n"));
    this.courier.discard(id);
  }

  private refused(item: OutboxItem, reason: string): void {
    // It was handed over before, on a socket that was lost.
    if (reason === "duplicate") return void this.core.send(outgoing.listHeld());
    const text = reason === "full" ? "hold-full" : "hold-refused";
    // What is meant for later must not go out now.
    if (item.hold?.notBefore != null) return this.courier.alter(item.id, { state: "failed", error: text });
    this.courier.alter(item.id, { state: "waiting" });
    update(this.core, ({ notices }) => ({ notices: [...notices.filter((each) => each.text !== text).slice(-2), { id: newId("notice"), kind: "error", text }] }));
  }

  /** Either it never reached the server, or it left it without a word. */
  private forgotten(item: OutboxItem): void {
    const { until, notBefore } = item.hold ?? { until: null, notBefore: null };
    if (until === null && notBefore !== null && notBefore > this.core.clock.now()) return void this.hold([item.id], notBefore);
    this.courier.alter(item.id, { state: until === null ? "waiting" : "unsure" });
    if (this.core.synced && until !== null) this.doubt(item.chat);
  }

  private find(id: string): OutboxItem | undefined {
    return this.core.store.getState().outbox.find((item) => item.id === id);
  }
}

const HOUR = 3_600;
/** Milliseconds after which the server is asked for what there is no receipt of. */
const ASK_AGAIN = 10_000;

function step(held: ReadonlyMap<string, Receipt>, receipt: Receipt): ReadonlyMap<string, Receipt> {
  const next = new Map(held);
  if (receipt.state === "held") next.set(receipt.id, { ...next.get(receipt.id), ...receipt });
  else next.delete(receipt.id);
  return next;
}
