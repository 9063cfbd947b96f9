/** What was typed and not sent, a chat; the same in all tabs of this browser. */

import * as memory from "../vault/memory";
import { update, type Core } from "./core";
import { SUPERVISOR, type ChatKey, type State } from "./state";

/** The drafts whose session is gone: their chat, and the words. */
export function unsentOf({ drafts, sessions }: Pick<State, "drafts" | "sessions">): [ChatKey, string][] {
  return [...drafts].filter(([key, words]) => key !== SUPERVISOR && !sessions.has(key) && words.trim() !== "");
}

export class Drafts {
  constructor(private readonly core: Core) {}

  write(key: ChatKey, text: string): void {
    const { current } = this.core.store.getState();
    this.show(key, text);
    if (current) memory.remember(`draft.${current}.${key}`, text || undefined);
  }

  /**
   * Another tab has written `name` (of the browser's storage). Its draft is taken over, unless this tab has written
   * meanwhile without knowing of it: then both stand one below the other.
   */
  heard(name: string, before: string | null, now: string | null): void {
    const prefix = `draft.${this.core.store.getState().current}.`;
    if (!name.startsWith(prefix)) return;
    const key = name.slice(prefix.length);
    const [was, theirs] = [textOf(before), textOf(now)];
    const ours = this.core.store.getState().drafts.get(key) ?? "";
    if (ours === theirs) return;
    if (ours === was || theirs.includes(ours)) this.show(key, theirs);
    else if (theirs !== "" && !ours.includes(theirs)) this.write(key, `${theirs}\n${ours}`);
    else this.write(key, ours);
  }

  private show(key: ChatKey, text: string): void {
    update(this.core, (state) => ({ drafts: new Map(state.drafts).set(key, text) }));
  }
}

function textOf(json: string | null): string {
  try {
    const value: unknown = JSON.parse(json ?? '""');
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}
