import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { entry, localStorageStub, makeWorld, memoryStorage } from "../testing/world";
import { plainText } from "./match";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
const rows = (world: World) => world.state.chats.get(SUPERVISOR)?.messages.map(({ blocks }) => plainText(blocks)) ?? [];
const outbox = (world: World) => world.state.outbox.map(({ text, state }) => [text, state]);
const sent = (world: World) => world.socket.of("supervisor.command").map(({ id }) => id);
const acks = (world: World, id: string | undefined) => world.socket.says({ type: "message.ack", payload: { message_id: id } });
const spoken = (sequence: number, words: string) => ({ ...entry(sequence, "user", words), content_blocks: [{ id: "v", block_type: "voice_input", content: words }] });

async function watching(storage = memoryStorage()): Promise<World> {
  const world = makeWorld(storage);
  await world.paired();
  world.client.watch(SUPERVISOR);
  await world.settle();
  return world;
}

/** A page that closes as the message leaves it: what it has begun to write since comes too late. */
async function closesAtOnce(world: World): Promise<void> {
  await world.settle();
  world.vault.keepItem = () => new Promise(() => {});
}

beforeEach(() => vi.stubGlobal("localStorage", localStorageStub()));
afterEach(() => vi.unstubAllGlobals());

describe("a message whose page closed as it left", () => {
  it("is not sent again by the next page when the history has it", async () => {
    const world = await watching();
    world.socket.breaks();
    world.client.send(SUPERVISOR, "delete it");
    await closesAtOnce(world);
    world.clock.pass(500);
    world.accept();
    expect(sent(world)).toHaveLength(1);
    const next = await watching(world.storage);
    await next.history([entry(1, "user", "delete it")]);
    expect(sent(next)).toEqual([]);
    expect([rows(next), outbox(next)]).toEqual([["delete it"], []]);
  });

  it("is left to the server that was to keep it", async () => {
    const world = await watching();
    world.socket.says({ type: "connected", payload: { tunnel_id: "tunnel-1", resume: { epoch: "e", seq: 0, verdict: "ok" } } });
    world.socket.says({ type: "connection.workstation_offline" });
    world.client.send(SUPERVISOR, "deploy");
    await closesAtOnce(world);
    const { id } = world.state.outbox[0]!;
    expect(await world.client.hold([id], null)).toBe(true);
    const next = await watching(world.storage);
    expect([outbox(next), sent(next)]).toEqual([[["deploy", "held"]], []]);
    next.socket.says({ type: "connected", payload: { tunnel_id: "tunnel-1", resume: { epoch: "e", seq: 0, verdict: "ok" } } });
    await vi.dynamicImportSettled();
    await next.history([entry(1, "user", "deploy")]);
    next.socket.says({ type: "tunnel.held", messages: [{ id, kind: "supervisor.command", state: "delivered", until: 1 }] });
    await vi.dynamicImportSettled();
    expect([rows(next), outbox(next)]).toEqual([["deploy"], []]);
  });

  it("leaves nothing in the browser's storage once it is through", async () => {
    const world = await watching();
    world.client.send(SUPERVISOR, "hello");
    expect(localStorage.getItem(`tiflis.left.${sent(world)[0]}`)).toContain("sending");
    acks(world, sent(world)[0]);
    await world.settle();
    expect(localStorage.getItem(`tiflis.left.${sent(world)[0]}`)).toBeNull();
  });
});

describe("an acknowledgement", () => {
  it("adds no row for words that the history has brought since they were sent", async () => {
    const world = await watching();
    await world.history([entry(1, "user", "hello")]);
    world.client.send(SUPERVISOR, "hello");
    void world.client.reload(SUPERVISOR);
    await world.history([entry(1, "user", "hello"), entry(2, "user", "hello")]);
    acks(world, sent(world)[0]);
    expect(rows(world)).toEqual(["hello", "hello"]);
  });

  it("adds a row for each time the same was said", async () => {
    const world = await watching();
    await world.history([entry(1, "user", "yes")]);
    for (const said of [1, 2]) {
      world.client.send(SUPERVISOR, "yes");
      acks(world, sent(world).at(-1));
      world.socket.says({ type: "supervisor.output", payload: { content_type: "supervisor", content: `done ${said}`, is_complete: true } });
    }
    expect(rows(world).filter((words) => words === "yes")).toHaveLength(3);
    void world.client.reload(SUPERVISOR);
    await world.history([entry(1, "user", "yes"), entry(2, "user", "yes", "h2"), entry(3, "user", "yes", "h3")]);
    expect(rows(world).filter((words) => words === "yes")).toHaveLength(3);
  });

  it("of a recording adds no row beside the one that the history has of it", async () => {
    const world = await watching();
    await world.history([spoken(1, "long ago")]);
    await world.client.sendVoice(SUPERVISOR, new Blob(["sound"]), "webm");
    void world.client.reload(SUPERVISOR);
    await world.history([spoken(1, "long ago"), spoken(2, "run the tests")]);
    acks(world, sent(world)[0]);
    expect(rows(world)).toEqual(["long ago", "run the tests"]);
  });
});

describe("the history", () => {
  it("takes a message whose acknowledgement was late from the user's list of failures", async () => {
    const world = await watching();
    world.client.send(SUPERVISOR, "hello");
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    await world.history([]);
    world.clock.pass(5_000);
    expect(outbox(world)).toEqual([["hello", "failed"]]);
    void world.client.reload(SUPERVISOR);
    await world.history([entry(6, "user", "hello")]);
    expect([rows(world), outbox(world)]).toEqual([["hello"], []]);
  });

  it("counts for one message alone when two say the same", async () => {
    const world = await watching();
    await world.history([]);
    world.client.send(SUPERVISOR, "yes");
    world.client.send(SUPERVISOR, "yes");
    world.client.push(world.state.outbox[1]!.id);
    const [, second] = sent(world);
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    await world.history([entry(1, "user", "yes")]);
    expect(sent(world)).toEqual([second]);
    acks(world, second);
    expect(rows(world)).toEqual(["yes", "yes"]);
  });

  it("is no proof by what was said just before, in words that are the same", async () => {
    const world = await watching();
    await world.history([entry(1, "user", "hi")]);
    world.client.send(SUPERVISOR, "yes");
    acks(world, sent(world)[0]);
    world.socket.says({ type: "supervisor.output", payload: { content_type: "supervisor", content: "done", is_complete: true } });
    world.client.send(SUPERVISOR, "yes");
    await world.settle();
    const next = await watching(world.storage);
    await next.history([entry(1, "user", "hi"), entry(2, "user", "yes")]);
    expect(sent(next)).toEqual([sent(world)[1]]);
  });

  it("gives a recording its words when they were lost on the way", async () => {
    const world = await watching();
    const before = { ...spoken(1, "long ago"), createdAt: "2023-11-13T00:00:00.000Z" };
    await world.client.sendVoice(SUPERVISOR, new Blob(["sound"]), "webm");
    acks(world, sent(world)[0]);
    void world.client.reload(SUPERVISOR);
    await world.history([before, spoken(2, "run the tests")]);
    expect(rows(world)).toEqual(["long ago", "run the tests"]);
  });
});

describe("a message that the server delivers while this page looks on", () => {
  it("stands once, though the workstation tells all devices of it", async () => {
    const world = await watching();
    await world.history([]);
    world.socket.says({ type: "connected", payload: { tunnel_id: "tunnel-1", resume: { epoch: "e", seq: 0, verdict: "ok" } } });
    world.socket.says({ type: "connection.workstation_offline" });
    world.client.send(SUPERVISOR, "deploy");
    const { id } = world.state.outbox[0]!;
    await world.client.hold([id], null);
    const own = world.socket.last("connect").payload?.device_id;
    world.socket.says({ type: "supervisor.user_message", payload: { content: "deploy", timestamp: world.clock.now(), from_device_id: own } });
    world.socket.says({ type: "tunnel.receipt", id, state: "delivered" });
    await vi.dynamicImportSettled();
    await world.settle();
    expect([rows(world), outbox(world)]).toEqual([["deploy"], []]);
  });
});
