/** The page's title: what is unread, who needs an answer, and which conversation is on screen. */

import { readRoute } from "~/app/route";
import { sessionTitle } from "~/sessions/order";
import { attentionOf } from "~/store/news";
import { SUPERVISOR, type State } from "~/store/state";
import { common } from "~/text/common";
import { isolated } from "~/text/direction";
import { notifyText as text } from "~/text/notify";

interface Facts {
  unread: number;
  /** The name of the conversation that waits for an answer of the user; it is named rather than the one on screen. */
  needs: string;
  shown: string;
  working: boolean;
}

export function titleFor({ unread, needs, shown, working }: Facts): string {
  const name = needs ? text.needsYou(needs) : `${working ? "● " : ""}${isolated(shown)}`;
  const title = name.trim() ? `${name} · ${text.title}` : text.title;
  return unread === 0 ? title : `(${unread > 99 ? "99+" : unread}) ${title}`;
}

/** The name of the conversation at this address, "" on other screens, and whether its agent works. */
export function onScreen(state: State, hash: string): { shown: string; working: boolean } {
  const route = readRoute(hash);
  if (route.name !== "session") return { shown: "", working: false };
  const session = state.sessions.get(route.key) ?? state.ended.get(route.key);
  const shown = route.key === SUPERVISOR ? common.supervisor : session ? sessionTitle(session) : "";
  return { shown, working: attentionOf(state, route.key) === "working" };
}
