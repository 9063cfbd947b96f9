/** A conversation as Markdown: what is loaded of it, each message under its speaker. */

import { client } from "~/app/client";
import { copyText } from "~/app/clipboard";
import { markdownOf } from "~/store/match";
import { errorText, fullTimeOf } from "~/text/common";
import { chat as text } from "~/text/chat";
import { withoutAnsi } from "./ansi";

export function copyConversation(chatKey: string, title: string): Promise<void> {
  return copyText(asMarkdown(chatKey, title));
}

/** By the system's sheet on a touch device that has one, else as a file. */
export async function shareConversation(chatKey: string, title: string): Promise<void> {
  const words = asMarkdown(chatKey, title);
  if (!("share" in navigator && matchMedia("(pointer: coarse)").matches)) return save(words, title);
  try {
    await navigator.share({ title, text: words });
  } catch (error) {
    // Who closes the sheet has changed their mind.
    if ((error as Error).name !== "AbortError") client.notice("error", errorText(error));
  }
}

function save(words: string, title: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([words], { type: "text/markdown" }));
  link.download = `${title.replace(/[^\p{L}\p{N}._-]+/gu, " ").trim() || "tiflis"}.md`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}

/** Milliseconds in which the browser has begun to save. */
const KEPT = 60_000;

function asMarkdown(chatKey: string, title: string): string {
  const { messages = [], hasOlder = false } = client.store.getState().chats.get(chatKey) ?? {};
  const said = messages.map(({ role, at, blocks }) => ({ who: role === "user" ? text.you : title, at, words: withoutAnsi(markdownOf(blocks)) }));
  const parts = said.filter(({ words }) => words).map(({ who, at, words }) => `## ${who}, ${fullTimeOf(at)}\n\n${words}`);
  const head = hasOlder ? [`# ${title}`, `*${text.exportedLast(messages.length)}*`] : [`# ${title}`];
  return `${[...head, ...parts].join("\n\n")}\n`;
}
