/** A conversation as Markdown: what is loaded of it, each message under its speaker. */

import { client } from "~/app/client";
import { copyText } from "~/app/clipboard";
import { markdownOf } from "~/store/match";
import { fullTimeOf } from "~/text/common";
import { chat as text } from "~/text/chat";

export function copyConversation(chatKey: string, title: string): Promise<void> {
  const messages = client.store.getState().chats.get(chatKey)?.messages ?? [];
  const said = messages.map(({ role, at, blocks }) => ({ who: role === "user" ? text.you : title, at, words: markdownOf(blocks) }));
  const parts = said.filter(({ words }) => words).map(({ who, at, words }) => `## ${who}, ${fullTimeOf(at)}\n\n${words}`);
  return copyText(`# ${title}\n\n${parts.join("\n\n")}\n`);
}
