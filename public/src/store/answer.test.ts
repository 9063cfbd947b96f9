/** Answers as the shipped workstation sends them: labels and blocks taken over, last frames that never come. */

import { describe, expect, it } from "vitest";
import { entry, makeWorld } from "../testing/world";
import { plainText } from "./match";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
const S1 = "s1";
const sessions = [{ session_id: S1, session_type: "claude", status: "idle" }];
const chat = (world: World, key = SUPERVISOR) => world.state.chats.get(key)!;
const words = (world: World, key = SUPERVISOR) => chat(world, key).messages.map((message) => plainText(message.blocks));
const streaming = (world: World, key = SUPERVISOR) => chat(world, key).messages.some((message) => message.streaming);
const text = (id: string, content: string) => ({ id, block_type: "text", content });

function frame(world: World, label: string | null, blocks: unknown[], complete = false, session?: string): void {
  world.socket.says({
    type: session ? "session.output" : "supervisor.output",
    ...(session && { session_id: session }),
    streaming_message_id: label,
    payload: { content_type: "agent", content: "", content_blocks: blocks, is_complete: complete, timestamp: world.clock.now() },
  });
  world.clock.pass(100);
}

function asks(world: World, content: string, session?: string): void {
  world.socket.says({
    type: session ? "session.user_message" : "supervisor.user_message",
    ...(session && { session_id: session }),
    payload: { content, timestamp: world.clock.now(), from_device_id: "phone" },
  });
}

describe("an answer that takes over label and text of the one before", () => {
  it("is a row of its own below its question, three times in a row, though labels change in mid-answer", async () => {
    const world = await makeWorld().paired();
    asks(world, "one?");
    frame(world, "L1", [text("a", "First.")], true);
    asks(world, "two?");
    frame(world, "L1", [text("a", "First.")]);
    expect(words(world)).toEqual(["one?", "First.", "two?"]);
    expect(chat(world).executing).toBe(true);
    frame(world, "L1", [text("b", "Sec")]);
    frame(world, "L1", [text("c", "Second.")], true);
    asks(world, "three?");
    frame(world, "L1", [text("c", "Second.")]);
    frame(world, "L1", [text("d", "Thi")]);
    frame(world, "L2", [text("e", "Third")]);
    frame(world, "L3", [text("f", "Third.")], true);
    expect(words(world)).toEqual(["one?", "First.", "two?", "Second.", "three?", "Third."]);
    expect(new Set(chat(world).messages.map((message) => message.key)).size).toBe(6);
    expect([streaming(world), chat(world).executing]).toEqual([false, false]);
  });

  it("shows nothing of the blocks that it carries along", async () => {
    const world = await makeWorld().paired();
    const tool = { id: "t", block_type: "tool", content: "Read", metadata: { tool_name: "Read", tool_status: "completed" } };
    asks(world, "one?");
    frame(world, "L1", [text("a", "Look."), tool], true);
    asks(world, "two?");
    frame(world, "L1", [text("a", "Look."), tool, text("b", "Done.")], true);
    expect(chat(world).messages.at(-1)?.blocks.map((block) => block.kind)).toEqual(["text"]);
    expect(words(world)).toEqual(["one?", "Look.", "two?", "Done."]);
  });

  it("keeps what it has said when its label changes and the frames since begin anew", async () => {
    const world = await makeWorld().paired();
    const tool = (id: string, status: string) => ({ id, block_type: "tool", content: "Read", metadata: { tool_name: "Read", tool_status: status } });
    asks(world, "one?");
    frame(world, "L1", [text("a", "Look."), tool("t", "running")]);
    frame(world, "L2", [tool("t", "completed")]);
    frame(world, "L2", [tool("t", "completed"), text("b", "Fo")]);
    frame(world, "L3", [text("c", "Found it.")], true);
    expect(chat(world).messages.at(-1)?.blocks.map((block) => block.content)).toEqual(["Look.", "Read", "Found it."]);
    world.client.watch(SUPERVISOR);
    await world.history([entry(1, "user", "one?", "q"), { ...entry(2, "assistant", "", "L3"), content_blocks: [text("c", "Found it.")] }]);
    expect(words(world)).toEqual(["one?", "Look.\n\nFound it."]);
  });

  it("may say the very same as the one before", async () => {
    const world = await makeWorld().paired();
    for (const question of ["one?", "two?"]) {
      asks(world, question);
      frame(world, "L1", [text("a", "Hel")]);
      frame(world, "L1", [text("b", "Hello")], true);
    }
    expect(words(world)).toEqual(["one?", "Hello", "two?", "Hello"]);
  });

  it("keeps its place when the history knows only the first of the two under that id", async () => {
    const world = await makeWorld().paired();
    world.client.watch(SUPERVISOR);
    await world.history([]);
    asks(world, "one?");
    frame(world, "L1", [text("a", "First.")], true);
    world.clock.pass(2000);
    asks(world, "two?");
    frame(world, "L1", [text("b", "Second.")], true);
    void world.client.reload(SUPERVISOR);
    const at = (sequence: number, role: "user" | "assistant", content: string, id: string, after: number) => ({
      ...entry(sequence, role, content, id), createdAt: new Date(world.clock.now() - 3000 + after).toISOString(),
    });
    await world.history([at(1, "user", "one?", "x", 0), at(2, "assistant", "First.", "L1", 100), at(3, "user", "two?", "y", 2100)]);
    expect(words(world)).toEqual(["one?", "First.", "two?", "Second."]);
  });

  it("does not take a late frame of a finished answer for a new one", async () => {
    const world = await makeWorld().paired();
    asks(world, "one?");
    frame(world, "L1", [text("a", "First.")], true);
    frame(world, "L1", [text("a", "Fir")]);
    frame(world, "L1", [text("a", "First.")], true);
    expect(words(world)).toEqual(["one?", "First."]);
    expect(chat(world).executing).toBe(false);
  });

  it("is a row of its own also where the last frame of the one before never came", async () => {
    const world = await makeWorld().paired();
    asks(world, "one?");
    frame(world, "L1", [text("a", "First.")]);
    asks(world, "two?");
    frame(world, "L1", [text("a", "First.")]);
    frame(world, "L1", [text("b", "Sec")]);
    frame(world, "L2", [text("b", "Second.")], true);
    expect(words(world)).toEqual(["one?", "First.", "two?", "Second."]);
    expect(streaming(world)).toBe(false);
  });

  it("is not shown as the text it carries along to a page that joins it", async () => {
    const world = await makeWorld().paired({ sessions });
    world.client.watch(S1);
    await world.history([entry(1, "user", "one?"), entry(2, "assistant", "First."), entry(3, "user", "two?")], { session_id: S1 });
    world.socket.says({ type: "session.subscribed", session_id: S1, is_executing: true, current_streaming_blocks: [text("a", "First.")], streaming_message_id: "L1" });
    expect(words(world, S1)).toEqual(["one?", "First.", "two?"]);
    frame(world, "L1", [text("b", "Second.")], true, S1);
    expect(words(world, S1)).toEqual(["one?", "First.", "two?", "Second."]);
  });

  it("goes on in its row when another question is sent while it streams", async () => {
    const world = await makeWorld().paired();
    asks(world, "one?");
    frame(world, "L1", [text("a", "Firs")]);
    asks(world, "two?");
    frame(world, "L1", [text("a", "First.")], true);
    expect(words(world)).toEqual(["one?", "First.", "two?"]);
  });
});

describe("a stop", () => {
  it("leaves what was said so far, also where the frame holds nothing but the stop", async () => {
    const world = await makeWorld().paired();
    world.client.watch(SUPERVISOR);
    await world.history([]);
    asks(world, "one?");
    frame(world, "L1", [text("a", "I will")]);
    frame(world, null, [{ id: "c", block_type: "cancel", content: "Cancelled by user" }], true);
    expect(chat(world).messages.at(-1)?.blocks.map((block) => block.content)).toEqual(["I will", "Cancelled by user"]);
    void world.client.reload(SUPERVISOR);
    await world.history([entry(1, "user", "one?"), { ...entry(2, "assistant", ""), content_blocks: [{ id: "c", block_type: "cancel", content: "Cancelled by user" }] }]);
    expect(words(world)).toEqual(["one?", "I will"]);
  });

  it("leaves no tool running, and nothing that comes late starts the answer again", async () => {
    const world = await makeWorld().paired();
    const stop = { id: "c", block_type: "cancel", content: "Cancelled by user" };
    const tool = { id: "t", block_type: "tool", content: "Read", metadata: { tool_name: "Read", tool_status: "running" } };
    asks(world, "one?");
    frame(world, "L1", [text("a", "I will"), tool]);
    frame(world, null, [stop], true);
    frame(world, null, [stop], true);
    frame(world, "L1", [text("a", "I will"), tool, text("b", "more")]);
    const { blocks } = chat(world).messages.at(-1)!;
    expect(blocks.map((block) => block.kind)).toEqual(["text", "tool", "cancel"]);
    expect(blocks[1]).toMatchObject({ status: "failed" });
    expect(chat(world).executing).toBe(false);
  });
});

describe("an answer whose last frame never comes", () => {
  it("is asked after and ended by what the workstation says, with all its words, as news", async () => {
    const world = await makeWorld().paired({ sessions });
    const events: unknown[] = [];
    world.client.onEvent((event) => events.push(event));
    asks(world, "one?", S1);
    frame(world, "L1", [text("a", "Half of")], false, S1);
    const asked = world.socket.of("session.subscribe").length;
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    world.clock.pass(4_600);
    expect(world.socket.of("session.subscribe")).toHaveLength(asked + 1);
    world.socket.says({ type: "session.subscribed", session_id: S1, is_executing: false, current_streaming_blocks: [text("a", "Half of it.")], streaming_message_id: "L1" });
    expect(words(world, S1)).toEqual(["one?", "Half of it."]);
    expect([streaming(world, S1), chat(world, S1).executing]).toEqual([false, false]);
    expect(events).toEqual([{ kind: "answer-done", chat: S1, text: "Half of it.", outcome: "said" }]);
  });

  it("is asked after less and less often while the agent goes on thinking", async () => {
    const world = await makeWorld().paired({ sessions, executingStates: { [S1]: true } });
    const before = world.socket.of("session.subscribe").length;
    for (let second = 0; second < 60; second += 1) {
      world.clock.pass(1000);
      world.socket.says({ type: "pong", timestamp: 1 });
      world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
      if (second % 3 === 0) world.socket.says({ type: "session.subscribed", session_id: S1, is_executing: true });
    }
    const asked = world.socket.of("session.subscribe").length - before;
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(6);
  });

  it("is ended in the supervisor's chat by a synchronisation, and what waited goes out", async () => {
    const world = await makeWorld().paired();
    asks(world, "one?");
    frame(world, "L1", [text("a", "Half.")]);
    world.client.send(SUPERVISOR, "next");
    expect(world.socket.of("supervisor.command")).toEqual([]);
    world.clock.pass(4_600);
    world.sync({ supervisorIsExecuting: false });
    await world.settle();
    expect(streaming(world)).toBe(false);
    expect(world.socket.last("supervisor.command").payload?.command).toBe("next");
  });

  it("is not asked after while a recording is being understood", async () => {
    const world = await makeWorld().paired();
    await world.client.sendVoice(SUPERVISOR, new Blob(["sound"]), "webm");
    world.socket.says({ type: "message.ack", payload: { message_id: world.socket.last("supervisor.command").id } });
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    const before = world.socket.of("sync").length;
    world.clock.pass(9_000);
    expect(world.socket.of("sync")).toHaveLength(before);
  });
});

describe("sound", () => {
  it("is asked for under the entry's own id, with both names of its direction", async () => {
    const world = await makeWorld().paired();
    world.client.watch(SUPERVISOR);
    await world.history([{ ...entry(1, "user", "run it", "entry-1"), content_blocks: [{ id: "v", block_type: "voice_input", content: "run it", metadata: { has_audio: true } }] }]);
    const block = chat(world).messages[0]!.blocks[0]!;
    expect(block).toMatchObject({ kind: "voice_input", messageId: "entry-1", hasAudio: true });
    void world.client.requestAudio("entry-1", "input").catch(() => undefined);
    expect(world.socket.last("audio.request").payload).toEqual({ message_id: "entry-1", type: "input", audio_type: "input" });
  });

  it("of an answer that goes by its question's id belongs to the answer", async () => {
    const world = await makeWorld().paired();
    await world.client.sendVoice(SUPERVISOR, new Blob(["sound"]), "webm");
    const { id } = world.socket.last("supervisor.command");
    world.socket.says({ type: "message.ack", payload: { message_id: id } });
    world.socket.says({ type: "supervisor.transcription", payload: { transcription: "run it", message_id: id } });
    frame(world, "L1", [text("a", "Done.")], true);
    asks(world, "two?");
    frame(world, "L2", [text("b", "Other.")], true);
    world.socket.says({ type: "supervisor.voice_output", payload: { audio_base64: "SUQz", message_id: id } });
    expect(chat(world).messages.map((message) => message.blocks.map((block) => block.kind))).toEqual([["voice_input"], ["text", "voice_output"], ["text"], ["text"]]);
    await expect(world.client.requestAudio(id!, "input")).resolves.toMatchObject({ format: "webm" });
    await expect(world.client.requestAudio(id!, "output")).resolves.toMatchObject({ format: "mp3" });
  });

  it("of another device's question shows what was asked", async () => {
    const world = await makeWorld().paired();
    world.socket.says({ type: "supervisor.transcription", payload: { transcription: "run it", message_id: "theirs", from_device_id: "phone" } });
    world.socket.says({ type: "supervisor.user_message", payload: { content: "run it", from_device_id: "phone" } });
    frame(world, "L1", [text("a", "Done.")], true);
    expect(words(world)).toEqual(["run it", "Done."]);
  });
});
