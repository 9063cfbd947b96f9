/** What outlives a connection, a session or a page: conversations, drafts and unsent words. */

import { describe, expect, it } from "vitest";
import { entry, makeWorld } from "../testing/world";
import { markdownOf, plainText } from "./match";
import { unsentOf } from "./drafts";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
const sessions = [{ session_id: "s1", session_type: "claude", status: "idle", project: "tunnel" }];
const words = (world: World, key = SUPERVISOR) => world.state.chats.get(key)?.messages.map((message) => plainText(message.blocks)) ?? [];
const said = (count: number) => Array.from({ length: count }, (_, index) => entry(index + 1, index % 2 ? "assistant" : "user", `message ${index + 1}`));

async function read(world: World, count = 2): Promise<World> {
  world.client.watch(SUPERVISOR);
  await world.history(said(count), { has_more: count === 60 });
  world.clock.pass(2_000);
  await world.settle();
  return world;
}

describe("the last conversations", () => {
  it("are there without a connection, with the moment they are of", async () => {
    const before = await read(await makeWorld().paired());
    const asOf = before.state.chats.get(SUPERVISOR)?.asOf;
    const world = makeWorld(before.storage);
    await world.client.start();
    expect(words(world)).toEqual(["message 1", "message 2"]);
    expect(world.state.chats.get(SUPERVISOR)).toMatchObject({ freshness: "stale", asOf, executing: false });
    expect(world.state.summaries.get(SUPERVISOR)?.words).toBe("message 2");
  });

  it("go on where they were when the connection comes", async () => {
    const before = await read(await makeWorld().paired());
    const world = await makeWorld(before.storage).paired();
    world.client.watch(SUPERVISOR);
    await world.history([...said(2), entry(3, "user", "message 3")]);
    expect(words(world)).toEqual(["message 1", "message 2", "message 3"]);
    expect(world.state.chats.get(SUPERVISOR)?.freshness).toBe("fresh");
  });

  it("are bounded: the newest messages, no sound, nothing that is not whole yet", async () => {
    const world = await read(await makeWorld().paired(), 60);
    world.socket.says({ type: "supervisor.output", payload: { content: "half", is_complete: false } });
    world.clock.pass(2_000);
    await world.settle();
    const kept = JSON.parse([...world.vault.kept.values()].find((text) => text.includes("message 60"))!) as { value: { messages: unknown[]; hasOlder: boolean } };
    expect(kept.value.messages).toHaveLength(40);
    expect(kept.value.hasOlder).toBe(true);
    expect(JSON.stringify(kept)).not.toContain("half");
    const huge = "x".repeat(150_000);
    void world.client.reload(SUPERVISOR);
    await world.history([entry(61, "user", huge), entry(62, "assistant", huge)]);
    world.clock.pass(2_000);
    await world.settle();
    for (const text of world.vault.kept.values()) expect(text.length).toBeLessThan(250_000);
  });

  it("go when the workstation is unpaired, and when the context is cleared", async () => {
    const world = await read(await makeWorld().paired());
    expect(world.vault.kept.size).toBeGreaterThan(0);
    world.socket.says({ type: "supervisor.context_cleared", payload: {} });
    world.clock.pass(2_000);
    await world.settle();
    expect([...world.vault.kept.values()].join()).not.toContain("message");
    await read(world);
    await world.client.forget(world.state.current!);
    world.clock.pass(2_000);
    await world.settle();
    expect([...world.vault.kept]).toEqual([]);
  });
});

describe("a session that ends elsewhere", () => {
  it("stays readable, with the draft and what waited to be sent", async () => {
    const world = await makeWorld().paired({ sessions, executingStates: { s1: true } });
    world.client.watch("s1");
    await world.history([entry(1, "user", "go on")], { session_id: "s1" });
    world.client.send("s1", "and then the docs");
    world.client.draft("s1", "half a thought");
    world.socket.says({ type: "session.terminated", session_id: "s1" });
    expect(world.state.sessions.has("s1")).toBe(false);
    expect(world.state.ended.get("s1")?.project).toBe("tunnel");
    expect(words(world, "s1")).toEqual(["go on"]);
    expect(world.state.chats.get("s1")?.executing).toBe(false);
    expect(world.state.drafts.get("s1")).toBe("and then the docs\nhalf a thought");
    expect(world.state.outbox).toEqual([]);
  });

  it("is the same when it ended while this device was away", async () => {
    const world = await makeWorld().paired({ sessions });
    world.client.draft("s1", "half a thought");
    world.socket.breaks();
    world.client.send("s1", "not sent");
    world.clock.pass(500);
    world.accept();
    expect(world.state.ended.has("s1")).toBe(true);
    expect(world.state.drafts.get("s1")).toBe("not sent\nhalf a thought");
  });

  it("keeps its draft on offer in every later visit", async () => {
    const world = await makeWorld().paired({ sessions });
    expect(unsentOf(world.state)).toEqual([]);
    world.client.draft("s1", "half a thought");
    world.client.draft(SUPERVISOR, "something else");
    expect(unsentOf(world.state)).toEqual([]);
    world.socket.says({ type: "session.terminated", session_id: "s1" });
    expect(unsentOf(world.state)).toEqual([["s1", "half a thought"]]);
  });

  it("leaves nothing when there is nothing to read and nothing to save", async () => {
    const world = await makeWorld().paired({ sessions });
    world.socket.says({ type: "session.terminated", session_id: "s1" });
    expect([world.state.ended.size, world.state.chats.has("s1")]).toEqual([0, false]);
  });
});

describe("two tabs", () => {
  const name = (world: World) => `draft.${world.state.current}.supervisor`;

  it("have one draft, which follows whichever types", async () => {
    const world = await makeWorld().paired();
    world.otherTab(name(world), "", "from the other");
    expect(world.state.drafts.get(SUPERVISOR)).toBe("from the other");
    world.otherTab(name(world), "from the other", "");
    expect(world.state.drafts.get(SUPERVISOR)).toBe("");
  });

  it("lose neither of two drafts that were begun at once", async () => {
    const world = await makeWorld().paired();
    world.client.draft(SUPERVISOR, "mine");
    world.otherTab(name(world), "", "theirs");
    expect(world.state.drafts.get(SUPERVISOR)).toBe("theirs\nmine");
  });

  it("do not mix up the drafts of two workstations", async () => {
    const world = await makeWorld().paired();
    world.otherTab("draft.another.supervisor", "", "theirs");
    expect(world.state.drafts.get(SUPERVISOR) ?? "").toBe("");
  });
});

describe("a copied message", () => {
  it("keeps the fences and languages of its code, also around code with fences", () => {
    const code = (content: string, language: string) => ({ kind: "code" as const, id: "c", content, language });
    expect(markdownOf([{ kind: "text", id: "t", content: "Look:" }, code("x = 1\n", "python"), code("a\n```\nb", "md")])).toBe(
      "Look:\n\n```python\nx = 1\n```\n\n````md\na\n```\nb\n````",
    );
  });
});

describe("what waits at another workstation", () => {
  const OTHER = { tunnelId: "tunnel-2", url: "wss://example.test/ws", key: "0123456789abcdef" };

  async function waitingAtTheOld(): Promise<{ world: World; old: string }> {
    const world = await makeWorld().paired({ sessions });
    const old = world.state.current!;
    world.socket.breaks();
    world.client.send(SUPERVISOR, "one");
    world.client.send("s1", "two");
    await world.settle();
    await world.client.pair(OTHER);
    await world.settle();
    return { world, old };
  }

  it("is counted, so that it can be seen", async () => {
    const { world, old } = await waitingAtTheOld();
    expect([...world.state.waitingElsewhere]).toEqual([[old, 2]]);
    await world.client.select(old);
    await world.settle();
    expect(world.state.waitingElsewhere.size).toBe(0);
  });

  it("is sent from the new entry when the user says so; what has no chat there becomes a draft", async () => {
    const { world, old } = await waitingAtTheOld();
    world.accept();
    expect(world.socket.of("supervisor.command")).toEqual([]);
    await world.client.adopt(old);
    await world.settle();
    expect(world.socket.of("supervisor.command").map((frame) => frame.payload?.command)).toEqual(["one"]);
    expect(world.state.drafts.get(SUPERVISOR)).toBe("two");
    expect(world.state.waitingElsewhere.size).toBe(0);
  });
});
