/** Finds words in all conversations: in what is loaded, and page by page in what lies before it. */

import { withoutControls } from "../protocol/controls";
import { FIND_AT_ONCE, FIND_ENTRIES, FIND_HITS, FIND_PAGES } from "../protocol/limits";
import type { HistoryEntry } from "../protocol/messages";
import type { Core } from "./core";
import type { Historian } from "./historian";
import { activityOf } from "./news";
import { isTerminal } from "./sessions";
import { SUPERVISOR, type ChatKey, type ChatMessage } from "./state";
import { forms, placed, withoutMarks, wordsOf } from "./reading";
import { comparable } from "./words";

export interface Hit {
  chat: ChatKey;
  /** With these two `Client.reveal` brings it on screen. */
  messageId: string | null;
  sequence: number | null;
  role: ChatMessage["role"];
  at: number;
  /** The words around the first place, on one line. */
  excerpt: string;
}

export interface Search {
  /** The newest first, at most `FIND_HITS` of `found`. */
  hits: Hit[];
  found: number;
  /** Messages that were looked through, whether there are older ones, and whether there is no room for those. */
  searched: number;
  more: boolean;
  full: boolean;
  busy: boolean;
}

export interface RunningSearch {
  /** Look through older messages too. */
  older(): void;
  stop(): void;
}

type Found = Pick<ChatMessage, "messageId" | "sequence" | "role" | "at" | "blocks">;

/** Pages of one chat that were fetched to search in; `before` null: there are none before. */
interface Fetched {
  entries: HistoryEntry[];
  before: number | null | undefined;
}

export class Finder {
  /** Kept while words are typed, so that each letter does not fetch all again. */
  private fetched = new Map<ChatKey, Fetched>();

  constructor(
    private readonly core: Core,
    private readonly historian: Historian,
  ) {}

  search(words: string, on: (search: Search) => void): RunningSearch {
    const wanted = comparable(words.trim());
    let running = true;
    let busy = false;
    const tell = () => running && on({ ...this.find(wanted), busy });
    const look = async (pages: number) => {
      if (busy || !running || wanted === "") return tell();
      busy = true;
      tell();
      await this.fetch(pages, () => running, tell);
      busy = false;
      tell();
    };
    void look(1);
    return { older: () => void look(FIND_PAGES), stop: () => void (running = false) };
  }

  clear(): void {
    this.fetched = new Map();
  }

  /** So many pages more of each chat, some chats at once. */
  private async fetch(pages: number, wanted: () => boolean, tell: () => void): Promise<void> {
    const queue = this.chats().filter((key) => pages > 1 || !this.fetched.has(key));
    const work = async () => {
      for (let key = queue.shift(); key !== undefined && wanted(); key = queue.shift()) {
        for (let page = 0; page < pages && wanted() && (await this.page(key)); page += 1) tell();
      }
    };
    await Promise.all(Array.from({ length: FIND_AT_ONCE }, work));
  }

  /** False when there is no older page, no connection or no room. */
  private async page(key: ChatKey): Promise<boolean> {
    const known = this.fetched.get(key) ?? { entries: [], before: undefined };
    if (known.before === null || !this.core.synced || this.full()) return false;
    const pages = this.fetched;
    const page = await this.historian.read(key, known.before);
    if (!page || pages !== this.fetched) return false;
    const first = page.entries[0]?.sequence;
    this.fetched.set(key, { entries: [...page.entries, ...known.entries], before: page.hasMore && first !== undefined ? first : null });
    return true;
  }

  private full(): boolean {
    return [...this.fetched.values()].reduce((sum, { entries }) => sum + entries.length, 0) >= FIND_ENTRIES;
  }

  private find(wanted: string): Omit<Search, "busy"> {
    const thoughts = this.core.store.getState().settings.showThinking;
    const hits: (Omit<Hit, "excerpt"> & { message: Found })[] = [];
    let [searched, more] = [0, false];
    for (const chat of this.chats()) {
      const messages = this.messages(chat);
      searched += messages.length;
      more ||= this.fetched.get(chat)?.before !== null;
      for (const message of messages) {
        const { messageId, sequence, role, at } = message;
        if (wanted === "" || !formsOf(message, thoughts).some((form) => form.includes(wanted))) continue;
        hits.push({ chat, messageId, sequence, role, at, message });
      }
    }
    hits.sort((a, b) => b.at - a.at);
    const shown = hits.slice(0, FIND_HITS).map(({ message, ...hit }): Hit => ({ ...hit, excerpt: excerptOf(message, wanted, thoughts) }));
    return { hits: shown, found: hits.length, searched, more, full: this.full() };
  }

  /** What is on this device and what was fetched, each once. */
  private messages(chat: ChatKey): Found[] {
    const loaded = this.core.store.getState().chats.get(chat)?.messages ?? [];
    const known = new Set(loaded.map((message) => message.messageId));
    return [...(this.fetched.get(chat)?.entries ?? []).filter((entry) => !known.has(entry.messageId)), ...loaded];
  }

  private chats(): ChatKey[] {
    const state = this.core.store.getState();
    const agents = [...state.sessions.values()].filter((session) => !isTerminal(session)).map((session) => session.id);
    const keys = [...new Set([SUPERVISOR, ...agents, ...state.ended.keys()])];
    return keys.sort((a, b) => activityOf(state, b) - activityOf(state, a));
  }
}

const compared = new WeakMap<Found, [string, string]>();

/** What a reader can see of a message, opened or not, as it is compared. */
function formsOf(message: Found, thoughts: boolean): [string, string] {
  const known = compared.get(message) ?? forms(textOf(message, thoughts));
  compared.set(message, known);
  return known;
}

function textOf({ blocks }: Found, thoughts: boolean): string {
  const seen = blocks.filter(({ kind }) => thoughts || kind !== "thinking");
  return withoutControls(seen.map(wordsOf).filter(Boolean).join("\n\n"));
}

const BEFORE = 40;
const AROUND = 160;

/** Characters of a text in which a place is found exactly; in a longer one with accents it is near enough. */
const PLACED_MOST = 10_000;

/** The words around the first place, which may stand between marks of Markdown. */
function excerptOf(message: Found, wanted: string, thoughts: boolean): string {
  const text = textOf(message, thoughts).replace(/\s+/g, " ");
  for (const form of [text, withoutMarks(text)]) {
    const at = comparable(form).indexOf(wanted);
    if (at >= 0) return around(form, form.length > PLACED_MOST ? at : placed(form).places[at]!);
  }
  return "";
}

function around(text: string, at: number): string {
  const from = Math.max(0, at - BEFORE);
  const words = text.slice(from, from + AROUND).trim();
  return `${from > 0 ? "…" : ""}${words}${from + AROUND < text.length ? "…" : ""}`;
}
