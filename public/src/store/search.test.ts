import { describe, expect, it, vi } from "vitest";
import { entry, makeWorld } from "../testing/world";
import type { Search } from "./search";
import { plainText } from "./match";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
type Frame = ReturnType<World["socket"]["last"]>;
const sessions = [{ session_id: "s1", session_type: "claude", status: "idle" }, { session_id: "t1", session_type: "terminal", status: "active" }];

/** Sixty messages in the supervisor's chat, forty in the session's: given page by page as they are asked for. */
const said = (key: string | undefined) => Array.from({ length: key ? 40 : 60 }, (_, at) => entry(at + 1, at % 2 ? "assistant" : "user", `${key ?? "supervisor"} says ${at + 1}.`, `${key ?? "v"}-${at + 1}`));

async function give(world: World, done = new Set<Frame>()): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) {
    for (const frame of world.socket.of("history.request").filter((each) => !done.has(each))) {
      done.add(frame);
      const { session_id, before_sequence = Infinity, limit = 20 } = frame.payload as { session_id?: string; before_sequence?: number; limit?: number };
      const before = said(session_id).filter(({ sequence }) => sequence < before_sequence);
      world.socket.says({ type: "history.response", id: frame.id, payload: { session_id: session_id ?? null, history: before.slice(-limit), has_more: before.length > limit } });
    }
    await world.settle();
  }
}

async function searching(words: string): Promise<{ world: World; latest(): Search; older(): void; stop(): void }> {
  const world = await makeWorld().paired({ sessions });
  await give(world);
  let latest!: Search;
  const running = world.client.search(words, (search) => (latest = search));
  await vi.dynamicImportSettled();
  await give(world);
  return { world, latest: () => latest, ...running };
}

describe("a search over all conversations", () => {
  it("finds what is not loaded, in every chat, the newest first, and says how far it looked", async () => {
    const { latest } = await searching("SAYS 39.");
    expect(latest().hits.map((hit) => [hit.chat, hit.messageId, hit.excerpt])).toEqual(
      expect.arrayContaining([["s1", "s1-39", "s1 says 39."], [SUPERVISOR, "v-39", "supervisor says 39."]]),
    );
    expect(latest()).toMatchObject({ searched: 90, more: true, busy: false });
  });

  it("looks further back when asked, until there is nothing before", async () => {
    const { world, latest, older } = await searching("supervisor says 3.");
    expect(latest().hits).toEqual([]);
    older();
    await give(world);
    expect(latest().hits.map((hit) => hit.messageId)).toEqual(["v-3"]);
    expect(latest()).toMatchObject({ searched: 100, more: false });
  });

  it("finds words without regard to accents and marks, in answers, offered replies and the output of tools", async () => {
    const world = await makeWorld().paired();
    const block = (kind: string, content: string, metadata: object = {}) => ({ id: kind, block_type: kind, content, metadata });
    const blocks = [
      block("text", "Das **Café** in   ÉVORA"),
      block("action_buttons", "Which crêpe?", { buttons: [{ id: "a", title: "Sucré", style: "primary", action: "send:a" }] }),
      block("tool", "", { tool_name: "Bash", tool_input: '{"command":"make"}', tool_output: "12 pa\u001b[32mss\u001b[0med", tool_status: "completed" }),
    ];
    world.socket.says({ type: "supervisor.output", sequence: 1, streaming_message_id: "a", payload: { content_type: "supervisor", content: "", content_blocks: blocks, timestamp: 1, is_complete: true } });
    for (const [wanted, excerpt] of [["cafe in evora", "Café in ÉVORA"], ["CREPE", "crêpe"], ["sucre", "Sucré"], ["passed", "passed"]] as const) {
      let latest!: Search;
      world.client.search(wanted, (search) => (latest = search));
      await vi.dynamicImportSettled();
      await world.settle();
      expect(latest.hits.map((hit) => hit.excerpt.includes(excerpt)), wanted).toEqual([true]);
    }
  });

  it("says how many places there are when it does not show them all", async () => {
    const { latest, older, world } = await searching("says");
    older();
    await give(world);
    expect(latest()).toMatchObject({ found: 100, full: false });
    expect(latest().hits).toHaveLength(100);
  });

  it("fetches nothing twice while words are typed, and nothing once it is stopped", async () => {
    const { world, stop } = await searching("says 3");
    const asked = world.socket.of("history.request").length;
    world.client.search("says 39", () => {});
    await vi.dynamicImportSettled();
    stop();
    await world.settle();
    expect(world.socket.of("history.request")).toHaveLength(asked);
  });

  it("brings a place on screen, however far back", async () => {
    const { world } = await searching("says 3");
    void world.client.reveal({ chat: SUPERVISOR, messageId: "v-3", sequence: 3 });
    await give(world);
    expect(world.state.revealing).toEqual({ chat: SUPERVISOR, messageId: "v-3" });
    expect(world.state.chats.get(SUPERVISOR)?.messages.map((message) => plainText(message.blocks))).toContain("supervisor says 3.");
  });
});
