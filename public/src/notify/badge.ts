/** What stands before the page's title while something waits: pure, and the page follows. */

import { notifyText } from "~/text/notify";

/** Unread messages over all chats; a count that is not one counts nothing. */
export function waiting(unread: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of unread.values()) total += Number.isFinite(count) && count > 0 ? count : 0;
  return total;
}

export function titleFor(count: number): string {
  if (count === 0) return notifyText.title;
  return `(${count > 99 ? "99+" : count}) ${notifyText.title}`;
}

/** A message as one short line of plain text: Markdown's signs and line breaks only clutter a notification. */
export function excerpt(markdown: string, longest = 140): string {
  const plain = markdown
    .replace(/```[\s\S]*?(?:```|$)/g, " … ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[*_`#>~|]+/g, "")
    .replace(/\s+/g, " ")
    .trim();
  const letters = Array.from(plain);
  return letters.length > longest ? `${letters.slice(0, longest - 1).join("")}…` : plain;
}
