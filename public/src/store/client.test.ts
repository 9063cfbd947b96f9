import { describe, expect, it } from "vitest";
import { entry, makeWorld } from "../testing/world";
import { plainText } from "./match";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
const words = (world: World, key = SUPERVISOR) => world.state.chats.get(key)?.messages.map((message) => plainText(message.blocks)) ?? [];
const outbox = (world: World) => world.state.outbox.map((item) => [item.text, item.state]);

const output = (content: string, complete = false, id = "a1") => ({
  type: "supervisor.output",
  streaming_message_id: id,
  payload: { content_type: "supervisor", content, content_blocks: [{ id: "b", block_type: "text", content }], is_complete: complete, timestamp: 1_700_000_000_000 },
});

describe("sending", () => {
  it("is received once the workstation acknowledges it", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    const { id, payload } = world.socket.last("supervisor.command");
    expect(payload).toEqual({ command: "hello" });
    world.socket.says({ type: "message.ack", payload: { message_id: id, status: "received" } });
    expect(outbox(world)).toEqual([]);
    expect(words(world)).toEqual(["hello"]);
    expect(world.state.chats.get(SUPERVISOR)?.executing).toBe(true);
  });

  it("fails after five seconds without an acknowledgement, and keeps its id on a retry", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    world.clock.pass(5_000);
    expect(outbox(world)).toEqual([["hello", "failed"]]);
    world.client.push(world.state.outbox[0]!.id);
    const [first, second] = world.socket.of("supervisor.command");
    expect(second?.id).toBe(first?.id);
  });

  it("goes out once when it is tapped twice to try again", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    world.clock.pass(5_000);
    const { id } = world.state.outbox[0]!;
    world.client.push(id);
    world.client.push(id);
    expect(world.socket.of("supervisor.command")).toHaveLength(2);
  });

  it("waits while there is no connection and goes out in order afterwards", async () => {
    const world = await makeWorld().paired();
    world.socket.breaks();
    world.client.send(SUPERVISOR, "one");
    world.client.send(SUPERVISOR, "two");
    world.clock.pass(500);
    world.accept();
    expect(world.socket.of("supervisor.command").map((frame) => frame.payload?.command)).toEqual(["one"]);
    world.socket.says({ type: "message.ack", payload: { message_id: world.socket.last("supervisor.command").id } });
    world.socket.says(output("done", true));
    await world.settle();
    expect(world.socket.last("supervisor.command").payload?.command).toBe("two");
  });

  it("holds what is typed while the agent works, to be edited, deleted or sent now", async () => {
    const world = await makeWorld().paired();
    world.socket.says(output("working"));
    world.clock.pass(100);
    world.client.send(SUPERVISOR, "next");
    world.client.send(SUPERVISOR, "after that");
    expect(world.socket.of("supervisor.command")).toEqual([]);
    expect(world.client.recall(world.state.outbox[1]!.id)).toBe("after that");
    world.client.push(world.state.outbox[0]!.id);
    expect(world.socket.last("supervisor.command").payload?.command).toBe("next");
  });

  it("holds the queue when the user stops the agent, until the user speaks again", async () => {
    const world = await makeWorld().paired();
    world.socket.says(output("working"));
    world.clock.pass(100);
    world.client.send(SUPERVISOR, "then deploy");
    void world.client.cancel(SUPERVISOR);
    world.socket.says({ type: "response", id: world.socket.last("supervisor.cancel").id, payload: { cancelled: true } });
    world.socket.says(output("stopped", true));
    await world.settle();
    expect(outbox(world)).toEqual([["then deploy", "queued"]]);
    world.client.push(world.state.outbox[0]!.id);
    expect(outbox(world)).toEqual([["then deploy", "sending"]]);
  });

  it("asks the history whether a message arrived before the connection went, and does not say it twice", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "delete everything");
    const { id } = world.socket.last("supervisor.command");
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    expect(world.socket.of("supervisor.command")).toEqual([]);
    await world.history([entry(1, "user", "delete everything", id)]);
    expect(world.socket.of("supervisor.command")).toEqual([]);
    expect(outbox(world)).toEqual([]);
    expect(words(world)).toEqual(["delete everything"]);
  });

  it("says it again, under the same id, when the history does not know it", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    const { id } = world.socket.last("supervisor.command");
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    await world.history([]);
    expect(world.socket.last("supervisor.command").id).toBe(id);
  });

  it("leaves it to the user when nobody can say whether it arrived", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    const { id } = world.socket.last("history.request");
    world.socket.says({ type: "error", id, payload: { code: "INTERNAL_ERROR", message: "disk" } });
    await world.settle();
    expect(outbox(world)).toEqual([["hello", "failed"]]);
  });

  it("survives a reload", async () => {
    const world = await makeWorld().paired();
    world.socket.breaks();
    world.client.send(SUPERVISOR, "still here");
    await world.settle();
    const again = await makeWorld(world.storage).paired();
    expect(again.socket.last("supervisor.command").payload?.command).toBe("still here");
  });

  it("is not hammered at a workstation that is away for a moment", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    const { id } = world.socket.last("supervisor.command");
    world.socket.says({ type: "error", id, payload: { code: "WORKSTATION_OFFLINE", message: "away" } });
    await world.settle();
    expect(world.socket.of("supervisor.command")).toHaveLength(1);
    world.clock.pass(2_000);
    expect(world.socket.of("supervisor.command")).toHaveLength(2);
  });

  it("waits for a new authentication when the workstation has forgotten us", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    const { id } = world.socket.last("supervisor.command");
    world.socket.says({ type: "error", id, payload: { code: "UNAUTHENTICATED", message: "who?" } });
    await world.settle();
    expect(world.socket.of("auth")).toHaveLength(2);
    expect(outbox(world)).toEqual([["hello", "waiting"]]);
    world.socket.says({ type: "auth.success", payload: {} });
    world.sync();
    world.clock.pass(2_000);
    expect(world.socket.last("supervisor.command").id).toBe(id);
  });

  it("is queued again when the session is busy", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hello");
    const { id } = world.socket.last("supervisor.command");
    world.socket.says({ type: "error", id, payload: { code: "SESSION_BUSY", message: "busy" } });
    expect(outbox(world)).toEqual([["hello", "queued"]]);
  });
});

describe("streaming", () => {
  it("replaces each snapshot by the next", async () => {
    const world = await makeWorld().paired();
    for (const content of ["Let", "Let me", "Let me see"]) world.socket.says(output(content));
    world.clock.pass(100);
    expect(words(world)).toEqual(["Let me see"]);
    expect(world.state.chats.get(SUPERVISOR)?.messages[0]?.streaming).toBe(true);
    world.socket.says(output("Let me see.", true));
    expect(words(world)).toEqual(["Let me see."]);
    expect(world.state.chats.get(SUPERVISOR)?.executing).toBe(false);
  });

  it("shows many snapshots of one moment as one", async () => {
    const world = await makeWorld().paired();
    let changes = 0;
    world.client.store.subscribe(() => (changes += 1));
    for (let count = 0; count < 50; count += 1) world.socket.says(output("word ".repeat(count)));
    world.clock.pass(60);
    expect(changes).toBe(1);
  });

  it("puts our words before an answer that began before their acknowledgement", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "hi");
    world.socket.says(output("Hello"));
    world.clock.pass(100);
    world.socket.says({ type: "message.ack", payload: { message_id: world.socket.last("supervisor.command").id } });
    expect(words(world)).toEqual(["hi", "Hello"]);
  });

  it("goes on in the same message when it was joined in the middle without an id", async () => {
    const world = await makeWorld().paired({
      supervisorIsExecuting: true,
      currentStreamingBlocks: [{ id: "b", block_type: "text", content: "So" }],
    });
    world.socket.says(output("So far", false, "a7"));
    world.socket.says(output("So far so good", true, "a7"));
    expect(words(world)).toEqual(["So far so good"]);
  });

  it("counts an answer that nobody watches as unread, and says that it is done", async () => {
    const world = await makeWorld().paired();
    const events: unknown[] = [];
    world.client.onEvent((event) => events.push(event));
    world.socket.says(output("x"));
    world.socket.says(output("done", true));
    expect(world.state.unread.get(SUPERVISOR)).toBe(1);
    expect(events).toEqual([{ kind: "answer-done", chat: SUPERVISOR, text: "done", outcome: "said" }]);
    world.client.watch(SUPERVISOR);
    expect(world.state.unread.get(SUPERVISOR)).toBe(0);
  });
});

describe("history", () => {
  it("is asked for when a chat is opened, and holds each message once", async () => {
    const world = await makeWorld().paired();
    world.socket.says(output("live answer", true, "m2"));
    world.client.watch(SUPERVISOR);
    await world.history([entry(1, "user", "question"), entry(2, "assistant", "live answer")]);
    expect(words(world)).toEqual(["question", "live answer"]);
  });

  it("knows a live message under another id by its words", async () => {
    const world = await makeWorld().paired();
    world.socket.says(output("The very same answer.", true, "live-id"));
    world.client.watch(SUPERVISOR);
    await world.history([entry(1, "user", "question"), entry(2, "assistant", "The very same answer.", "stored-id")]);
    expect(words(world)).toEqual(["question", "The very same answer."]);
  });

  it("puts what was missed while away in its right place, page after page", async () => {
    const world = await makeWorld().paired();
    world.client.watch(SUPERVISOR);
    await world.history([entry(1, "user", "one"), entry(2, "assistant", "two")]);
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    await world.history([entry(5, "user", "five"), entry(6, "assistant", "six")], { has_more: true });
    expect(world.socket.last("history.request").payload).toMatchObject({ before_sequence: 5 });
    await world.history([entry(2, "assistant", "two"), entry(3, "user", "three"), entry(4, "assistant", "four")], { has_more: true });
    expect(words(world)).toEqual(["one", "two", "three", "four", "five", "six"]);
  });

  it("starts afresh when the workstation has lost its memory and counts anew", async () => {
    const world = await makeWorld().paired();
    world.client.watch(SUPERVISOR);
    await world.history([entry(1, "user", "old one", "x1"), entry(2, "assistant", "old two", "x2")]);
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    await world.history([entry(1, "user", "new one", "y1"), entry(2, "assistant", "new two", "y2"), entry(3, "user", "new three", "y3")]);
    expect(words(world)).toEqual(["new one", "new two", "new three"]);
  });

  it("loads older pages until there are none", async () => {
    const world = await makeWorld().paired();
    world.client.watch(SUPERVISOR);
    await world.history([entry(11, "user", "new")], { has_more: true });
    expect(world.state.chats.get(SUPERVISOR)?.hasOlder).toBe(true);
    void world.client.loadOlder(SUPERVISOR);
    await world.history([entry(10, "user", "old")]);
    expect(words(world)).toEqual(["old", "new"]);
    expect(world.state.chats.get(SUPERVISOR)?.hasOlder).toBe(false);
  });
});

describe("other devices", () => {
  const said = (from: string, content: string) => ({
    type: "supervisor.user_message",
    payload: { content, timestamp: 1_700_000_000_000, from_device_id: from },
  });

  it("are seen, while our own echo is not", async () => {
    const world = await makeWorld().paired();
    world.client.send(SUPERVISOR, "mine");
    world.socket.says({ type: "message.ack", payload: { message_id: world.socket.last("supervisor.command").id } });
    const own = world.socket.last("connect").payload?.device_id as string;
    world.socket.says(said(own, "mine"));
    world.socket.says(said("phone", "theirs"));
    expect(words(world)).toEqual(["mine", "theirs"]);
  });

  it("may be another tab under our own name", async () => {
    const world = await makeWorld().paired();
    world.socket.says(said(world.socket.last("connect").payload?.device_id as string, "from the other tab"));
    expect(words(world)).toEqual(["from the other tab"]);
  });

  it("clear the context for all", async () => {
    const world = await makeWorld().paired();
    world.socket.says(said("phone", "theirs"));
    world.socket.says({ type: "supervisor.context_cleared", payload: { timestamp: 1 } });
    expect(words(world)).toEqual([]);
  });
});

describe("voice", () => {
  it("gets its words when the workstation has understood it, and plays the answer here", async () => {
    const world = await makeWorld().paired();
    await world.client.sendVoice(SUPERVISOR, new Blob(["sound"]), "webm", 3);
    const { id, payload } = world.socket.last("supervisor.command");
    expect(payload).toEqual({ audio: btoa("sound"), audio_format: "webm", message_id: id });
    world.socket.says({ type: "message.ack", payload: { message_id: id } });
    world.socket.says({ type: "supervisor.transcription", payload: { text: "run the tests", message_id: id } });
    expect(words(world)).toEqual(["run the tests"]);
    const heard: unknown[] = [];
    world.client.onEvent((event) => event.kind === "voice-output" && heard.push(event.mine));
    world.socket.says(output("Done.", true));
    world.socket.says({ type: "supervisor.voice_output", payload: { audio: "SUQz", message_id: "a1", from_device_id: world.socket.last("connect").payload?.device_id } });
    expect(heard).toEqual([true]);
    await expect(world.client.requestAudio("a1", "output")).resolves.toEqual({ audio: "SUQz", format: "mp3" });
  });

  it("has ten seconds to be acknowledged", async () => {
    const world = await makeWorld().paired();
    await world.client.sendVoice(SUPERVISOR, new Blob(["sound"]), "webm");
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    world.clock.pass(9_000);
    expect(world.state.outbox[0]?.state).toBe("sending");
    world.socket.says({ type: "pong", timestamp: 1 });
    world.clock.pass(1_000);
    expect(world.state.outbox[0]?.state).toBe("failed");
  });
});

describe("sessions", () => {
  const sessions = [
    { session_id: "s1", session_type: "claude", status: "idle", working_dir: "/home/a" },
    { session_id: "t1", session_type: "terminal", status: "active" },
  ];

  it("are followed when they are agents; a terminal only while it is on screen", async () => {
    const world = await makeWorld().paired({ sessions });
    expect(world.socket.of("session.subscribe").map((frame) => frame.session_id)).toEqual(["s1"]);
    const close = world.client.openTerminal("t1", () => {});
    expect(world.socket.last("session.subscribe").session_id).toBe("t1");
    close();
    expect(world.socket.last("session.unsubscribe").session_id).toBe("t1");
  });

  it("appear and go as the workstation tells", async () => {
    const world = await makeWorld().paired({ sessions });
    world.socket.says({ type: "session.created", session_id: "s2", payload: { session_type: "cursor", working_dir: "/x" } });
    expect([...world.state.sessions.keys()]).toEqual(["s1", "t1", "s2"]);
    world.socket.says({ type: "session.terminated", session_id: "s1" });
    expect([...world.state.sessions.keys()]).toEqual(["t1", "s2"]);
  });

  it("repair a terminal's gap by replay, without double text", async () => {
    const world = await makeWorld().paired({ sessions });
    const seen: string[] = [];
    world.client.openTerminal("t1", (chunk) => chunk.kind === "data" && seen.push(chunk.text));
    const replay = (messages: [number, string][], current: number) =>
      world.socket.says({ type: "session.replay.data", session_id: "t1", payload: { messages: messages.map(([sequence, content]) => ({ content_type: "terminal", content, sequence })), has_more: false, current_sequence: current } });
    const live = (sequence: number, content: string) =>
      world.socket.says({ type: "session.output", session_id: "t1", payload: { content_type: "terminal", content, sequence } });
    replay([[1, "a"]], 1);
    live(2, "b");
    live(4, "d");
    expect(world.socket.last("session.replay").payload).toMatchObject({ since_sequence: 2 });
    replay([[3, "c"], [4, "d"]], 4);
    live(4, "d");
    live(5, "e");
    expect(seen).toEqual(["a", "b", "c", "d", "e"]);
  });
});

describe("drafts", () => {
  it("belong to the workstation that is looked at", async () => {
    const world = await makeWorld().paired();
    world.client.draft(SUPERVISOR, "half a thought");
    expect(world.state.drafts.get(SUPERVISOR)).toBe("half a thought");
    await world.client.pair({ tunnelId: "other", url: "wss://x.test/ws", key: "0123456789abcdef" });
    expect(world.state.drafts.get(SUPERVISOR)).toBeUndefined();
  });
});
