/** What comes into the field from elsewhere: quotations, files, words that were said before. */

import { screenAction } from "~/app/shortcuts";
import { client } from "~/app/client";
import { plainText } from "~/store/match";
import type { ChatKey, State } from "~/store/state";

/** Add words below what is being written, and put the focus there. */
export function addToDraft(chat: ChatKey, words: string): void {
  const draft = client.store.getState().drafts.get(chat) ?? "";
  rewrite(chat, draft.trim() ? `${draft.replace(/\n*$/, "\n")}${words}` : words);
}

/** Characters up to which a text is typed into the field: the browser takes long for more. */
const TYPED_MOST = 10_000;

/** Put `words` in place of the draft, with the focus and the caret at their end; where there is a field, its Undo takes that back. */
export function rewrite(chat: ChatKey, words: string): void {
  const draft = client.store.getState().drafts.get(chat) ?? "";
  screenAction("compose");
  const field = document.activeElement;
  const there = field instanceof HTMLTextAreaElement && field.dataset.chat === chat && field.value === draft;
  if (!there || words.length > TYPED_MOST) return client.draft(chat, words);
  const from = words.startsWith(draft) ? draft.length : 0;
  field.setSelectionRange(from, draft.length);
  if (words === "") document.execCommand("delete");
  else document.execCommand("insertText", false, words.slice(from));
}

/** Each line marked, with room below for the reply. */
export function quoted(words: string): string {
  return `${words.trim().replace(/^/gm, "> ")}\n\n`;
}

/** What was said from here in a chat, oldest first. */
export function ownWords(state: State, chat: ChatKey): string[] {
  const said = (state.chats.get(chat)?.messages ?? []).filter(({ role }) => role === "user").map(({ blocks }) => plainText(blocks));
  const unsent = state.outbox.filter((item) => item.chat === chat).map(({ text }) => text);
  return [...said, ...unsent].filter((words, at, all) => words.trim() !== "" && words !== all[at - 1]);
}

/** Where the last step led: the same words may stand in several places. */
let stood = { at: -1, words: "" };

/**
 * The words said before those in the field (-1) or after them (1); an empty field stands after the last. Null where the key
 * is not meant for that: something of one's own is in the field, or there is nothing more.
 */
export function recalled(said: string[], field: string, by: -1 | 1): string | null {
  const known = stood.words === field && said[stood.at] === field;
  const at = field === "" ? said.length : known ? stood.at : said.lastIndexOf(field);
  if (at < 0 || (field === "" && by === 1)) return null;
  const to = at + by;
  if (to < 0) return null;
  stood = { at: to, words: said[to] ?? "" };
  return stood.words;
}
