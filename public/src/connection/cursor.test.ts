import { describe, expect, it } from "vitest";
import { makeWorld, PAIRING } from "../testing/world";
import { SUPERVISOR } from "../store/state";
import { plainText } from "../store/match";

type World = ReturnType<typeof makeWorld>;

/** A server that knows cursors lets the client in. */
function letIn(world: World, resume: Record<string, unknown> | undefined, missed: unknown[] = []) {
  world.socket.opens();
  world.socket.says({ type: "connected", payload: { tunnel_id: "tunnel-1", ...(resume && { resume }) } });
  for (const message of missed) world.socket.says(message);
  world.socket.says({ type: "auth.success", payload: { device_id: "d" } });
}

async function started(): Promise<World> {
  const world = makeWorld();
  await world.client.start();
  await world.client.pair(PAIRING);
  letIn(world, { epoch: "e1", seq: 0, verdict: "new" });
  world.sync({ sessions: [{ session_id: "s1", session_type: "claude", status: "idle" }] });
  world.client.watch(SUPERVISOR);
  await world.history([]);
  return world;
}

function cut(world: World): void {
  world.socket.breaks();
  world.clock.pass(1_000);
}

const asked = (world: World) => world.socket.of("connect")[0] ?? (world.socket.opens(), world.socket.last("connect"));
const output = (content: string, complete: boolean) => ({
  type: "supervisor.output",
  streaming_message_id: "a1",
  payload: { content_type: "supervisor", content, content_blocks: [{ id: "b", block_type: "text", content }], is_complete: complete },
});

describe("a cursor", () => {
  it("counts what the workstation says and not what the tunnel says, and takes over the server's marks", async () => {
    const world = makeWorld();
    await world.client.start();
    await world.client.pair(PAIRING);
    world.socket.opens();
    expect(world.socket.last("connect").payload).toMatchObject({ resume: {} });
    world.socket.says({ type: "connected", payload: { resume: { epoch: "e1", seq: 7, verdict: "new" } } });
    for (const type of ["auth.success", "brand.new", "pong", "tunnel.news", "connection.workstation_online", "workstation.status"]) world.socket.says({ type });
    for (const text of ["no json", "[]", "null"]) world.socket.says(text);
    world.socket.says({ no: "type" });
    cut(world);
    expect(asked(world).payload).toMatchObject({ resume: { epoch: "e1", seq: 10 } });
    world.socket.says({ type: "connected", payload: { resume: { epoch: "e1", seq: 10, verdict: "ok", missed: 0 } } });
    world.socket.says({ type: "tunnel.mark", epoch: "e2", seq: 99 });
    cut(world);
    expect(asked(world).payload).toMatchObject({ resume: { epoch: "e2", seq: 99 } });
  });

  it("goes on without synchronising when nothing was lost, with what was missed in its place", async () => {
    const world = await started();
    world.socket.says({ type: "session.subscribed", session_id: "s1" });
    world.socket.says(output("half", false));
    cut(world);
    expect(world.state.chats.get(SUPERVISOR)?.freshness).toBe("stale");
    letIn(world, { epoch: "e1", seq: 4, verdict: "ok", missed: 1 }, [output("half and all", true)]);
    await world.settle();
    const chat = world.state.chats.get(SUPERVISOR);
    expect(chat?.messages.map(({ blocks }) => plainText(blocks))).toEqual(["half and all"]);
    expect(chat).toMatchObject({ freshness: "fresh", executing: false });
    expect(world.socket.sent.map(({ type }) => type)).toEqual(["connect", "auth", "heartbeat"]);
    world.client.send(SUPERVISOR, "go on");
    expect(world.socket.last("supervisor.command").payload).toEqual({ command: "go on" });
  });

  it("asks the history only for a message that was under way, and again for a subscription that was", async () => {
    const world = await started();
    world.client.send(SUPERVISOR, "hello");
    cut(world);
    letIn(world, { epoch: "e1", seq: 3, verdict: "ok", missed: 0 });
    expect(world.socket.sent.map(({ type }) => type)).toEqual(["connect", "auth", "heartbeat", "session.subscribe", "history.request"]);
  });

  it.each([
    ["a gap", { epoch: "e2", seq: 0, verdict: "gap" }],
    ["a new queue", { epoch: "e2", seq: 0, verdict: "new" }],
    ["an older server", undefined],
  ])("synchronises after %s", async (_, resume) => {
    const world = await started();
    cut(world);
    letIn(world, resume);
    expect(world.socket.of("sync")).toHaveLength(1);
  });

  it("synchronises though nothing was lost when the state was not complete before, or the workstation was away", async () => {
    const world = await started();
    cut(world);
    letIn(world, { epoch: "e1", seq: 3, verdict: "gap" });
    cut(world);
    letIn(world, { epoch: "e1", seq: 4, verdict: "ok", missed: 0 });
    expect(world.socket.of("sync")).toHaveLength(1);
    world.sync();
    world.socket.says({ type: "connection.workstation_offline" });
    cut(world);
    letIn(world, { epoch: "e1", seq: 5, verdict: "ok", missed: 0 });
    expect(world.socket.of("sync")).toHaveLength(1);
  });

  it("is told in pings, with whether somebody looks, to servers that know it and to no other", async () => {
    const world = await started();
    world.clock.pass(5_000);
    expect(world.socket.last("ping")).toMatchObject({ seen: 3, visible: true });
    const older = await makeWorld().paired();
    older.clock.pass(5_000);
    expect(Object.keys(older.socket.last("ping"))).toEqual(["type", "timestamp"]);
  });

  it("comes with the word that the page is out of sight the moment it is, and only to a server that knows it", async () => {
    const world = await started();
    world.hide();
    expect(world.socket.last("ping")).toMatchObject({ visible: false });
    const older = await makeWorld().paired();
    older.hide();
    expect(older.socket.of("ping")).toEqual([]);
  });

  it("is not asked for by a mere look at whether a pairing is taken", async () => {
    const world = makeWorld();
    await world.client.start();
    world.client.probe(PAIRING, () => {});
    world.socket.opens();
    expect(world.socket.last("connect").payload).not.toHaveProperty("resume");
  });
});
