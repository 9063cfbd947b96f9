/** What stands before the page's title while something waits: pure, and the page follows. */

import { attentionOf } from "~/store/news";
import type { State } from "~/store/state";
import { notifyText } from "~/text/notify";

/** Unread messages over all chats; a count that is not one counts nothing. */
export function waiting(unread: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of unread.values()) total += Number.isFinite(count) && count > 0 ? count : 0;
  return total;
}

export function titleFor(count: number, who = ""): string {
  const title = who ? `${notifyText.needsYou(who)} · ${notifyText.title}` : notifyText.title;
  return count === 0 ? title : `(${count > 99 ? "99+" : count}) ${title}`;
}

/** Whose answer waits for one of the user: named in the title, for it is worth coming back for. */
export function needing(state: State): string | null {
  for (const [key, count] of state.unread) if (count > 0 && attentionOf(state, key) === "needs-you") return key;
  return null;
}
