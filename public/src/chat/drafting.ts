/** What comes into the field from elsewhere: quotations, files, words that were said before. */

import { screenAction } from "~/app/shortcuts";
import { client } from "~/app/client";
import { plainText } from "~/store/match";
import type { ChatKey, State } from "~/store/state";

/** Adds words below what is being written, and puts the focus there. */
export function addToDraft(chat: ChatKey, words: string): void {
  const draft = client.store.getState().drafts.get(chat) ?? "";
  client.draft(chat, draft.trim() ? `${draft.replace(/\n*$/, "\n")}${words}` : words);
  screenAction("compose");
}

/** Each line marked, with room below for the reply. */
export function quoted(words: string): string {
  return `${words.trim().replace(/^/gm, "> ")}\n\n`;
}

/** What was said from here in a chat, oldest first. */
export function ownWords(state: State, chat: ChatKey): string[] {
  const said = (state.chats.get(chat)?.messages ?? []).filter(({ role }) => role === "user").map(({ blocks }) => plainText(blocks));
  const unsent = state.outbox.filter((item) => item.chat === chat).map(({ text }) => text);
  return [...said, ...unsent].filter((words) => words.trim() !== "");
}

/**
 * The words said before those in the field (-1) or after them (1); an empty field stands after the last. Null where the key
 * is not meant for that: something of one's own is in the field, or there is nothing more.
 */
export function recalled(said: string[], field: string, by: -1 | 1): string | null {
  const at = field === "" ? said.length : said.lastIndexOf(field);
  if (at < 0 || field.includes("\n") || (field === "" && by === 1)) return null;
  const to = at + by;
  if (to < 0) return null;
  return said[to] ?? "";
}
