/**
 * Words that complete what is being typed. The protocol lists neither commands nor files, so these are the commands that
 * were sent from here before, and the files that the conversation has named.
 */

import type { ContentBlock } from "~/protocol/blocks";
import type { ChatKey, State } from "~/store/state";
import { ownWords } from "./drafting";
import { viewOf } from "./tools/toolView";

/** Words that are offered at once. */
const OFFERED = 8;
/** Paths of a conversation that are looked at, the newest. */
const PATHS_MOST = 500;

const COMMAND = /^\/[\w:.-]+/;
const NAMED = /(?<![\w@./~-])@([\w./~+-]*[\w+-])|`((?:[\w.@~+-]+\/|\/)[\w.@+/-]*\.\w{1,8})(?::\d+)*`/g;

/** All words of a kind, the newest first; `words` begins with "/" or "@". */
export function known(state: State, chat: ChatKey, words: string): string[] {
  return [...new Set(words.startsWith("/") ? commands(state, chat) : files(state, chat))];
}

/** Those of `all` that go on from `words`: those that begin so, then those that have it elsewhere. */
export function completions(all: readonly string[], words: string): string[] {
  const wanted = words.slice(1).toLowerCase();
  const fitting = all.filter((each) => each !== words && each.toLowerCase().includes(wanted));
  const begins = (each: string) => each.slice(1).toLowerCase().startsWith(wanted) || each.toLowerCase().includes(`/${wanted}`);
  return [...fitting.filter(begins), ...fitting.filter((each) => !begins(each))].slice(0, OFFERED);
}

function commands(state: State, chat: ChatKey): string[] {
  const chats = [chat, ...[...state.chats.keys()].filter((key) => key !== chat)];
  return chats.flatMap((key) => ownWords(state, key).reverse()).flatMap((words) => COMMAND.exec(words)?.[0] ?? []);
}

function files(state: State, chat: ChatKey): string[] {
  const root = `${state.sessions.get(chat)?.workingDir ?? ""}/`;
  const paths: string[] = [];
  for (const { blocks } of [...(state.chats.get(chat)?.messages ?? [])].reverse()) {
    if (paths.length >= PATHS_MOST) break;
    paths.push(...blocks.flatMap(pathsIn));
  }
  return paths.map((path) => `@${path.startsWith(root) ? path.slice(root.length) : path}`);
}

function pathsIn(block: ContentBlock): string[] {
  if (block.kind === "text") return [...block.content.matchAll(NAMED)].map(([, mentioned, quoted]) => mentioned ?? quoted!);
  if (block.kind !== "tool") return [];
  const view = viewOf(block.name, block.input);
  if (view.kind === "change") return view.files.map(({ path }) => path);
  return view.kind === "fields" && view.path ? [view.path] : [];
}
