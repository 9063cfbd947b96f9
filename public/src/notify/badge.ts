/** What waits for the user: pure. */

import { attentionOf } from "~/store/news";
import type { State } from "~/store/state";

/** Unread messages over all chats; a count that is not one counts nothing. */
export function waiting(unread: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of unread.values()) total += Number.isFinite(count) && count > 0 ? count : 0;
  return total;
}

/** Whose answer waits for one of the user: named in the title, for it is worth coming back for. */
export function needing(state: State): string | null {
  for (const [key, count] of state.unread) if (count > 0 && attentionOf(state, key) === "needs-you") return key;
  return null;
}
