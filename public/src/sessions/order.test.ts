import { describe, expect, it } from "vitest";
import type { SessionInfo } from "~/protocol/messages";
import type { Summary } from "~/store/news";
import { sessionOrder } from "./order";

const session = (id: string, type = "claude", createdAt = 1): [string, SessionInfo] => [id, { id, type, status: "idle", createdAt }];
const said = (at: number): Summary => ({ words: "x", role: "user", outcome: "said", at });

describe("the list", () => {
  it("has what was spoken in last first, agents before terminals, and pinned ones on top", () => {
    const sessions = new Map([session("old"), session("shell", "terminal", 9), session("quiet", "claude", 5), session("lively")]);
    const summaries = new Map([["lively", said(8)], ["old", said(2)]]);
    expect(sessionOrder({ sessions, summaries, pinned: new Set() })).toEqual(["lively", "quiet", "old", "shell"]);
    expect(sessionOrder({ sessions, summaries, pinned: new Set(["old"]) })).toEqual(["old", "lively", "quiet", "shell"]);
  });

  it("has the newest first where nothing is known", () => {
    const sessions = new Map([session("a", "claude", 0), session("b", "claude", 0)]);
    expect(sessionOrder({ sessions, summaries: new Map(), pinned: new Set() })).toEqual(["b", "a"]);
  });
});
