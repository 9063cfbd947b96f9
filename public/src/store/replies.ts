/** Quick replies: offered until somebody has answered, on whichever device, and then settled for all. */

import { plainText } from "./match";
import type { ChatMessage, OutboxItem } from "./state";

/** Older than this, or talked past: what the buttons are about may be over, so one is asked before it is said. */
export const STALE_AFTER = 60 * 60_000;

export type Replies = { kind: "open" } | { kind: "stale" } | { kind: "settled"; said: string };

/** `messages` and `outbox` of one chat; `key` is the row that offers the buttons, `offers` what they would say. */
export function repliesOf(messages: ChatMessage[], outbox: OutboxItem[], key: string, offers: string[], now: number): Replies {
  const index = messages.findIndex((message) => message.key === key);
  const message = messages[index];
  if (!message) return { kind: "stale" };
  const later = messages.slice(index + 1);
  const next = later.findIndex(offersReplies);
  const answers = [
    ...(next < 0 ? later : later.slice(0, next)).filter(({ role }) => role === "user").map(({ blocks }) => plainText(blocks)),
    ...(next < 0 ? outbox.filter((item) => item.createdAt >= message.seenAt).map((item) => item.text) : []),
  ];
  const said = answers.find((words) => offers.some((offer) => offer.trim() === words.trim()));
  if (said !== undefined) return { kind: "settled", said: said.trim() };
  return later.length > 0 || answers.length > 0 || now - message.at > STALE_AFTER ? { kind: "stale" } : { kind: "open" };
}

function offersReplies({ role, blocks }: ChatMessage): boolean {
  return role !== "user" && blocks.some((block) => block.kind === "action_buttons");
}
