/** Fetches history: the newest page on opening, what was missed while away, and older pages on scrolling up. */

import { RequestFailed } from "../connection/requests";
import { newId } from "../protocol/ids";
import { GAP_PAGES, REVEAL_PAGES, SEARCH_PAGE, SEARCH_PAGES } from "../protocol/limits";
import type { HistoryPage } from "../protocol/messages";
import * as outgoing from "../protocol/outgoing";
import { rowOf } from "./arrival";
import { applyExecuting, applyStreaming } from "./chat";
import { update, type Core } from "./core";
import { dropBefore, mergeGap, mergeNewest, mergeOlder, newestSequence, oldestSequence } from "./merge";
import { summaryOf } from "./news";
import { inChat } from "./outbox";
import { chatOf, sessionOf, withChat } from "./sessions";
import type { Chat, ChatKey, OutboxItem } from "./state";

/** How often to look whether what is being loaded has come; milliseconds. */
const LOADING_LOOK = 100;

export class Historian {
  constructor(
    private readonly core: Core,
    /** What became of messages that were under way when the connection went; null: nobody can say. */
    private readonly settle: (item: OutboxItem, arrived: boolean | null) => void,
  ) {}

  async loadNewest(key: ChatKey): Promise<void> {
    if (this.chat(key).loading !== "no") return;
    this.change(key, (chat) => ({ ...chat, loading: "newest", error: null }));
    try {
      const known = newestSequence(this.chat(key));
      const page = await this.page(key);
      const { gapBefore } = this.apply(key, page, (chat, now) => mergeNewest(chat, page, now));
      if (gapBefore !== null) await this.closeGap(key, gapBefore, known!);
      this.change(key, (chat) => ({ ...this.alive(chat, page), loading: "no", freshness: "fresh", asOf: this.core.clock.now() }));
      this.settleDoubts(key);
    } catch (error) {
      this.failed(key, error);
    }
  }

  /** The last words of a chat that is not loaded, for the list. A failure leaves the list without them. */
  async peek(key: ChatKey): Promise<void> {
    try {
      const page = await this.page(key, undefined, 1);
      const summary = summaryOf(page.entries);
      if (!summary || this.chat(key).messages.length > 0) return;
      update(this.core, (state) => ({ summaries: new Map(state.summaries).set(key, summary) }));
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
    }
  }

  /** A page for searching, which changes nothing of the chat; null when it cannot be had. */
  async read(key: ChatKey, before?: number): Promise<HistoryPage | null> {
    try {
      return await this.page(key, before, SEARCH_PAGE);
    } catch (error) {
      if (error instanceof RequestFailed) return null;
      throw error;
    }
  }

  /** Loads older pages until the message with this sequence is there, or until it is too far back. */
  async loadBackTo(key: ChatKey, sequence: number): Promise<void> {
    if (this.chat(key).freshness !== "fresh") await this.loadNewest(key);
    for (let pages = 0; pages < REVEAL_PAGES; pages += 1) {
      const { hasOlder, error } = this.chat(key);
      // An error of before is no reason not to try.
      if ((oldestSequence(this.chat(key)) ?? 0) <= sequence || !hasOlder || (error && pages > 0)) return;
      await this.loadOlder(key, SEARCH_PAGE);
    }
  }

  /** Older pages for a search, some at a time; `wanted` false ends it. */
  async loadMany(key: ChatKey, wanted: () => boolean): Promise<void> {
    for (let pages = 0; pages < SEARCH_PAGES && wanted(); pages += 1) {
      while (this.chat(key).loading !== "no" && wanted()) await new Promise<void>((run) => this.core.clock.after(LOADING_LOOK, run));
      const { hasOlder, error } = this.chat(key);
      if (!hasOlder || (error && pages > 0)) return;
      await this.loadOlder(key, SEARCH_PAGE);
    }
  }

  async loadOlder(key: ChatKey, limit?: number): Promise<void> {
    const chat = this.chat(key);
    const before = oldestSequence(chat);
    if (chat.loading !== "no" || !chat.hasOlder || before === null) return;
    this.change(key, (each) => ({ ...each, loading: "older", error: null }));
    try {
      const page = await this.page(key, before, limit);
      this.change(key, (each) => ({ ...mergeOlder(each, page, this.core.clock.now()), loading: "no" }));
    } catch (error) {
      this.failed(key, error);
    }
  }

  private async closeGap(key: ChatKey, first: number, known: number): Promise<void> {
    let before: number | null = first;
    for (let pages = 0; before !== null; pages += 1) {
      if (pages === GAP_PAGES) {
        const cut = before;
        this.change(key, (chat) => dropBefore(chat, cut));
        break;
      }
      const page = await this.page(key, before);
      before = this.apply(key, page, (chat, now) => mergeGap(chat, page, known, now)).gapBefore;
    }
  }

  private async page(key: ChatKey, before?: number, limit?: number): Promise<HistoryPage> {
    const id = newId("history");
    const message = outgoing.history(id, sessionOf(key), before, limit);
    const answer = await this.core.requests.ask({ ...message, id });
    if (answer.type !== "history") throw new RequestFailed("INVALID_PAYLOAD");
    if (answer.page.error) throw new RequestFailed("history", answer.page.error);
    return answer.page;
  }

  private apply<Result extends { chat: Chat }>(key: ChatKey, _page: HistoryPage, step: (chat: Chat, now: number) => Result): Result {
    const result = step(this.chat(key), this.core.clock.now());
    this.change(key, () => result.chat);
    return result;
  }

  /** What the page says about the answer that is being given right now. */
  private alive(chat: Chat, page: HistoryPage): Chat {
    if (page.isExecuting === undefined) return chat;
    const told = applyExecuting(chat, page.isExecuting);
    const streams = told.messages.some((message) => message.streaming);
    return page.isExecuting && !streams ? applyStreaming(told, page.streaming, undefined, this.core.clock.now()) : told;
  }

  private doubts(key: ChatKey): OutboxItem[] {
    return inChat(this.core.store.getState().outbox, key).filter((item) => item.state === "unsure");
  }

  /** Settle what may have arrived; what failed for want of a word from the other side stays with the user unless it is here. */
  private settleDoubts(key: ChatKey): void {
    for (const item of inChat(this.core.store.getState().outbox, key)) {
      const arrived = rowOf(this.chat(key), item) >= 0;
      if (item.state === "unsure" || (arrived && unanswered(item))) this.settle(item, arrived);
    }
  }

  private failed(key: ChatKey, error: unknown): void {
    const code = error instanceof RequestFailed ? error.code : "INTERNAL_ERROR";
    // A connection that went is told elsewhere; the chat loads again by itself.
    const shown = code === "lost" || code === "offline" ? null : code;
    this.change(key, (chat) => ({ ...chat, loading: "no", error: shown }));
    if (shown) for (const item of this.doubts(key)) this.settle(item, null);
    if (!(error instanceof RequestFailed)) throw error;
  }

  private chat(key: ChatKey): Chat {
    return chatOf(this.core.store.getState(), key);
  }

  private change(key: ChatKey, step: (chat: Chat) => Chat): void {
    update(this.core, (state) => withChat(state, key, step));
  }
}

const unanswered = ({ state, error }: OutboxItem): boolean => state === "failed" && (error === "no-ack" || error === "hold-unsure");
