import { describe, expect, it, vi } from "vitest";
import { makeWorld, PAIRING } from "../testing/world";
import { plainText } from "./match";
import { SUPERVISOR } from "./state";

type World = ReturnType<typeof makeWorld>;
const outbox = (world: World) => world.state.outbox.map(({ text, state, error }) => [text, state, error]);
const loaded = async (world: World) => (await vi.dynamicImportSettled(), await world.settle());

function join(world: World, seq = 0): void {
  world.socket.opens();
  world.socket.says({ type: "connected", payload: { tunnel_id: "tunnel-1", resume: { epoch: "e", seq, verdict: "ok" } } });
}

/** The workstation is away, and one message waits here. */
async function away(storage?: ReturnType<typeof makeWorld>["storage"]): Promise<World> {
  const world = makeWorld(storage);
  await world.client.start();
  if (world.state.current === null) await world.client.pair(PAIRING);
  join(world);
  world.socket.says({ type: "connection.workstation_offline" });
  if (!storage) world.client.send(SUPERVISOR, "deploy");
  await world.settle();
  return world;
}

async function held(): Promise<{ world: World; id: string }> {
  const world = await away();
  const { id } = world.state.outbox[0]!;
  expect(await world.client.hold([id], null)).toBe(true);
  world.socket.says({ type: "tunnel.receipt", id, state: "held", until: world.clock.now() + 86_400_000 });
  await loaded(world);
  return { world, id };
}

describe("a message that the server keeps", () => {
  it("is handed over with its time, and delivered by the server alone", async () => {
    const { world, id } = await held();
    expect(world.socket.last("supervisor.command")).toMatchObject({ id, hold: { ttl: 86_400 }, payload: { command: "deploy" } });
    expect(outbox(world)).toEqual([["deploy", "held", null]]);
    world.socket.says({ type: "connection.workstation_online" });
    world.socket.says({ type: "auth.success", payload: {} });
    world.sync();
    expect(world.socket.of("supervisor.command")).toHaveLength(1);
    world.socket.says({ type: "tunnel.receipt", id, state: "delivered" });
    await loaded(world);
    expect(outbox(world)).toEqual([]);
    expect(world.state.chats.get(SUPERVISOR)?.messages.map(({ blocks }) => plainText(blocks))).toEqual(["deploy"]);
  });

  it("goes before what is written after it, but one for a later moment holds up nothing", async () => {
    const { world, id } = await held();
    world.client.send(SUPERVISOR, "and then");
    const at = world.clock.now() + 3_600_000;
    expect(await world.client.sendAt(SUPERVISOR, "tonight", at)).toBe(true);
    expect(world.socket.last("supervisor.command")).toMatchObject({ hold: { not_before: at, ttl: 7_200 }, payload: { command: "tonight" } });
    world.socket.says({ type: "connection.workstation_online" });
    world.socket.says({ type: "auth.success", payload: {} });
    world.sync();
    expect(world.socket.last("supervisor.command").payload?.command).toBe("tonight");
    world.socket.says({ type: "tunnel.receipt", id, state: "delivered" });
    await loaded(world);
    world.socket.says({ type: "supervisor.output", payload: { content_type: "supervisor", content: "done", is_complete: true } });
    expect(world.socket.last("supervisor.command").payload?.command).toBe("and then");
  });

  it("gives its words back when it is cancelled", async () => {
    const { world, id } = await held();
    expect(await world.client.unhold(id)).toBe(true);
    expect(world.socket.last("tunnel.unhold").id).toBe(id);
    world.socket.says({ type: "tunnel.receipt", id, state: "cancelled" });
    await loaded(world);
    expect(outbox(world)).toEqual([]);
    expect(world.state.drafts.get(SUPERVISOR)).toBe("deploy");
    expect(world.state.held.size).toBe(0);
  });

  it.each([["expired", "hold-expired"], ["unsure", "hold-unsure"]])("is left to the user when it is %s", async (state, error) => {
    const { world, id } = await held();
    world.socket.says({ type: "tunnel.receipt", id, state });
    await loaded(world);
    expect(outbox(world)).toEqual([["deploy", "failed", error]]);
  });

  it("waits here when the server refuses it, and says why", async () => {
    const world = await away();
    const { id } = world.state.outbox[0]!;
    await world.client.hold([id], null);
    world.socket.says({ type: "tunnel.receipt", id, state: "refused", reason: "full" });
    await loaded(world);
    expect(outbox(world)).toEqual([["deploy", "waiting", null]]);
    expect(world.state.notices.map(({ text }) => text)).toEqual(["hold-full"]);
  });

  it("is asked after by the next page: delivered, still there, or never arrived", async () => {
    const { world, id } = await held();
    const at = world.clock.now() + 3_600_000;
    await world.client.sendAt(SUPERVISOR, "lost on the way", at);
    await world.settle();
    const again = await away(world.storage);
    await loaded(again);
    expect(again.socket.of("tunnel.held")).toHaveLength(1);
    again.socket.says({ type: "tunnel.held", messages: [{ id, kind: "supervisor.command", state: "delivered", until: 1 }] });
    await loaded(again);
    expect(outbox(again)).toEqual([["lost on the way", "held", null]]);
    expect(again.socket.last("supervisor.command")).toMatchObject({ hold: { not_before: at }, payload: { command: "lost on the way" } });
  });

  it("is not sent in another way while the server cannot say what it keeps; it is asked again", async () => {
    const world = await away();
    const { id } = world.state.outbox[0]!;
    expect(await world.client.hold([id], null)).toBe(true);
    const asked = world.socket.of("tunnel.held").length;
    world.socket.says({ type: "tunnel.held", messages: [], unavailable: true });
    await loaded(world);
    expect(outbox(world)).toEqual([["deploy", "held", null]]);
    expect(world.state.heldKnown).toBe(false);
    world.clock.pass(10_000);
    expect(world.socket.of("tunnel.held")).toHaveLength(asked + 1);
    world.socket.says({ type: "tunnel.held", messages: [{ id, kind: "supervisor.command", state: "held", until: 1 }] });
    await loaded(world);
    expect(world.state.heldKnown).toBe(true);
    expect(outbox(world)).toEqual([["deploy", "held", null]]);
  });

  it("is asked after where its receipt is lost, though the socket goes on", async () => {
    const world = await away();
    const { id } = world.state.outbox[0]!;
    const asked = world.socket.of("tunnel.held").length;
    await world.client.hold([id], null);
    world.clock.pass(10_000);
    expect(world.socket.of("tunnel.held")).toHaveLength(asked + 1);
    world.socket.says({ type: "tunnel.held", messages: [] });
    await loaded(world);
    expect(outbox(world)).toEqual([["deploy", "waiting", null]]);
  });

  it("that was meant for later does not go out at once when the server refuses it", async () => {
    const world = await away();
    await world.client.sendAt(SUPERVISOR, "tonight", world.clock.now() + 3_600_000);
    const { id } = world.socket.last("supervisor.command");
    world.socket.says({ type: "tunnel.receipt", id, state: "refused", reason: "invalid" });
    await loaded(world);
    expect(outbox(world)).toContainEqual(["tonight", "failed", "hold-refused"]);
  });

  it("is known in the history already, when the page was away, and is shown once", async () => {
    const { world, id } = await held();
    world.socket.says({ type: "connection.workstation_online" });
    world.socket.says({ type: "auth.success", payload: {} });
    world.client.watch(SUPERVISOR);
    world.sync();
    await world.history([{ message_id: "h1", sequence: 1, role: "user", content: "deploy", createdAt: new Date(world.clock.now()).toISOString() }]);
    world.socket.says({ type: "tunnel.receipt", id, state: "delivered" });
    await loaded(world);
    expect(world.state.chats.get(SUPERVISOR)?.messages).toHaveLength(1);
    expect(outbox(world)).toEqual([]);
  });

  it("can be handed over by a page that finds the workstation away; an older server is asked once", async () => {
    const world = makeWorld();
    await world.client.start();
    await world.client.pair(PAIRING);
    world.socket.opens();
    world.socket.says({ type: "error", payload: { code: "WORKSTATION_OFFLINE", message: "away" } });
    const { id } = world.socket.last("tunnel.held");
    world.socket.says({ type: "error", id, payload: { code: "WORKSTATION_OFFLINE", message: "away" } });
    expect(world.socket.of("tunnel.held")).toHaveLength(1);
    expect(world.state.connection.keeps).toBe(false);
    world.socket.says({ type: "tunnel.held", messages: [] });
    expect(world.state.connection).toMatchObject({ phase: "workstation_offline", keeps: true });
  });

  it("is offered by no older server", async () => {
    const world = await makeWorld().paired();
    expect(world.state.connection.keeps).toBe(false);
    expect(await world.client.sendAt(SUPERVISOR, "x", world.clock.now() + 1)).toBe(false);
    expect(outbox(world)).toEqual([]);
  });
});
