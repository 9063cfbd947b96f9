import { describe, expect, it } from "vitest";
import { makeWorld } from "../testing/world";
import { attentionOf, outcomeOf } from "./news";
import { repliesOf, STALE_AFTER } from "./replies";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
const buttons = { id: "x", block_type: "action_buttons", content: "", metadata: { buttons: [{ id: "y", title: "Yes", action: "send:yes" }, { id: "n", title: "No", action: "send:no" }] } };
const text = (content: string) => ({ id: "t", block_type: "text", content });

function answers(world: World, blocks: unknown[], complete = true): void {
  world.socket.says({ type: "supervisor.output", payload: { content_blocks: blocks, is_complete: complete, timestamp: world.clock.now() } });
  world.clock.pass(100);
}
const says = (world: World, content: string) =>
  world.socket.says({ type: "supervisor.user_message", payload: { content, timestamp: world.clock.now(), from_device_id: "phone" } });
const attention = (world: World) => attentionOf(world.state, SUPERVISOR);
function replies(world: World) {
  const { messages } = world.state.chats.get(SUPERVISOR)!;
  return repliesOf(messages, world.state.outbox, messages.findLast((message) => message.blocks.some((block) => block.kind === "action_buttons"))!.key, ["yes", "no"], world.clock.now());
}

describe("a chat in the list", () => {
  it("works, then needs you when the answer ends in a question, until somebody answers", async () => {
    const world = await makeWorld().paired();
    answers(world, [text("Shall I")], false);
    expect(attention(world)).toBe("working");
    answers(world, [text("Shall I go on?")]);
    expect(attention(world)).toBe("needs-you");
    world.client.watch(SUPERVISOR);
    expect(attention(world)).toBe("needs-you");
    says(world, "yes");
    expect(attention(world)).toBe("none");
  });

  it("needs you when the answer offers replies, is done or has failed until seen", async () => {
    const world = await makeWorld().paired();
    const events: unknown[] = [];
    world.client.onEvent((event) => event.kind === "answer-done" && events.push(event.outcome));
    answers(world, [text("Choose."), buttons]);
    expect(attention(world)).toBe("needs-you");
    says(world, "a");
    answers(world, [text("All done.")]);
    expect(attention(world)).toBe("done");
    says(world, "b");
    answers(world, [text("Hm"), { id: "e", block_type: "error", content: "no answer" }]);
    expect(attention(world)).toBe("failed");
    world.client.watch(SUPERVISOR);
    expect(attention(world)).toBe("none");
    expect(events).toEqual(["asks", "said", "failed"]);
  });

  it.each(["Shall I? ", "**Shall I?**", "Shall I (now?)", "続けますか？", "هل أتابع؟", "Go on? 🙂"])("takes %s for a question", (content) => {
    expect(outcomeOf([{ kind: "text", id: "t", content }])).toBe("asks");
  });

  it.each(["Is it? No.", "a ? b : c", "See https://x.test/?q=1"])("takes %s for none", (content) => {
    expect(outcomeOf([{ kind: "text", id: "t", content }])).toBe("said");
  });

  it("has its last words and when they were said", async () => {
    const world = await makeWorld().paired();
    answers(world, [text("## Done\n\n**two** files")]);
    expect(world.state.summaries.get(SUPERVISOR)).toMatchObject({ words: "Done two files", role: "assistant", outcome: "said" });
    world.socket.says({ type: "supervisor.context_cleared", payload: {} });
    expect(world.state.summaries.has(SUPERVISOR)).toBe(false);
  });
});

describe("quick replies", () => {
  it("are said once, though tapped twice", async () => {
    const world = await makeWorld().paired();
    answers(world, [buttons]);
    expect(replies(world)).toEqual({ kind: "open" });
    world.client.reply(SUPERVISOR, "yes");
    world.client.reply(SUPERVISOR, "yes");
    expect(world.socket.of("supervisor.command")).toHaveLength(1);
    expect(replies(world)).toEqual({ kind: "settled", said: "yes" });
  });

  it("are settled by what another device has said", async () => {
    const world = await makeWorld().paired();
    answers(world, [buttons]);
    says(world, "no");
    expect(replies(world)).toEqual({ kind: "settled", said: "no" });
  });

  it("that were refused as busy go no further when another device was first", async () => {
    const world = await makeWorld().paired();
    answers(world, [buttons]);
    world.client.reply(SUPERVISOR, "yes");
    const { id } = world.socket.last("supervisor.command");
    world.socket.says({ type: "error", id, payload: { code: "SESSION_BUSY", message: "busy" } });
    says(world, "no");
    expect(world.state.outbox).toEqual([]);
    expect(replies(world)).toEqual({ kind: "settled", said: "no" });
  });

  it("ask first when the talk has gone on, or when they are old", async () => {
    const world = await makeWorld().paired();
    answers(world, [buttons]);
    expect(replies(world).kind).toBe("open");
    world.socket.says({ type: "pong", timestamp: 1 });
    const { messages } = world.state.chats.get(SUPERVISOR)!;
    expect(repliesOf(messages, [], messages[0]!.key, ["yes"], world.clock.now() + STALE_AFTER).kind).toBe("stale");
    says(world, "something else");
    expect(replies(world).kind).toBe("stale");
  });
});

describe("a chat that is not open", () => {
  it("has its last words from the workstation, and is asked for no more than them", async () => {
    const world = await makeWorld().paired({ sessions: [{ session_id: "s1", session_type: "claude", status: "idle" }] });
    const asked = world.socket.of("history.request").find((frame) => frame.payload?.session_id === "s1");
    expect(asked?.payload).toEqual({ session_id: "s1", limit: 1 });
    world.socket.says({ type: "history.response", id: asked?.id, payload: { session_id: "s1", history: [{ message_id: "m", sequence: 9, role: "assistant", content: "Shall I?", createdAt: "2026-01-15T12:00:00.000Z" }], has_more: true } });
    await world.settle();
    expect(world.state.summaries.get("s1")).toMatchObject({ words: "Shall I?", at: Date.parse("2026-01-15T12:00:00.000Z") });
    expect(attentionOf(world.state, "s1")).toBe("needs-you");
    expect(world.state.chats.get("s1")?.messages ?? []).toEqual([]);
  });
});

describe("a pin", () => {
  it("is kept for its workstation, and goes when the workstation is unpaired", async () => {
    const world = await makeWorld().paired();
    world.client.pin("s1", true);
    expect([...world.state.pinned]).toEqual(["s1"]);
    await world.client.pair({ tunnelId: "other", url: "wss://x.test/ws", key: "0123456789abcdef" });
    expect([...world.state.pinned]).toEqual([]);
  });
});
