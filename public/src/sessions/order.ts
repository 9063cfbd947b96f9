/** The order and the names of sessions, the same in the list, in shortcuts and in titles. */

import type { SessionInfo } from "~/protocol/messages";
import { activityOf } from "~/store/news";
import type { State } from "~/store/state";
import { isolated } from "~/text/direction";
import { typeName } from "~/text/sessions";

/** Later than any moment. */
const PINNED = 1e15;

export interface Group {
  kind: "agents" | "terminals";
  sessions: SessionInfo[];
}

/** What the order of the list follows from. */
export type Listed = Pick<State, "sessions" | "summaries" | "pinned">;

/** Pinned ones first, then those in which something happened last; alike ones the newest first. */
export function grouped(listed: Listed): Group[] {
  const all = [...listed.sessions.values()].reverse();
  const rank = new Map(all.map(({ id }) => [id, (listed.pinned.has(id) ? PINNED : 0) + activityOf(listed, id)]));
  all.sort((a, b) => rank.get(b.id)! - rank.get(a.id)!);
  const groups: Group[] = [
    { kind: "agents", sessions: all.filter((session) => session.type !== "terminal") },
    { kind: "terminals", sessions: all.filter((session) => session.type === "terminal") },
  ];
  return groups.filter((group) => group.sessions.length > 0);
}

export function sessionOrder(listed: Listed): string[] {
  return grouped(listed).flatMap((group) => group.sessions.map((session) => session.id));
}

/** What a person calls it: the project for an agent, the folder for a terminal. */
export function sessionTitle(session: SessionInfo): string {
  if (session.project) return session.worktree ? `${session.project} · ${session.worktree}` : session.project;
  const folder = session.workingDir?.split("/").filter(Boolean).pop();
  return folder || agentName(session);
}

export function agentName(session: SessionInfo): string {
  return session.agentAlias || typeName(session.type);
}

/** The agent and where it works, as one line of text. */
export function agentAndPath(session: SessionInfo, path = shortPath(session)): string {
  return [isolated(agentName(session)), path].filter(Boolean).join(" · ");
}

/** In a narrow list the end of a path says most. */
export function endOfPath(session: SessionInfo): string {
  const path = shortPath(session);
  const parts = path.split("/");
  return parts.length > 3 && path.length > 30 ? `…/${parts.slice(-2).join("/")}` : path;
}

/** The path as one writes it in a shell: the home folder is `~`. Its folders stand in their order in every script. */
export function shortPath(session: SessionInfo): string {
  const path = session.workingDir ?? [session.workspace, session.project].filter(Boolean).join("/");
  return path.replace(/^\/(home|Users)\/[^/]+/, "~").split("/").map(isolated).join("/");
}
