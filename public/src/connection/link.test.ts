import { describe, expect, it } from "vitest";
import { makeWorld } from "../testing/world";

const phase = (world: ReturnType<typeof makeWorld>) => world.state.connection.phase;

describe("the link", () => {
  it("connects, authenticates, synchronises and is verified by the first heartbeat", async () => {
    const world = await makeWorld().paired();
    expect(world.socket.sent.map((each) => each.type)).toEqual(["connect", "auth", "heartbeat", "sync", "history.request"]);
    expect(phase(world)).toBe("authenticated");
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    expect(phase(world)).toBe("verified");
  });

  it("waits on its socket for a workstation that is offline, and goes on by itself", async () => {
    const world = makeWorld();
    await world.client.start();
    await world.client.pair({ tunnelId: "t", url: "wss://x.test/ws", key: "0123456789abcdef" });
    world.socket.opens();
    world.socket.says({ type: "error", payload: { code: "WORKSTATION_OFFLINE", message: "away" } });
    expect(phase(world)).toBe("workstation_offline");
    world.clock.pass(9_000);
    expect(world.sockets).toHaveLength(1);
    world.socket.says({ type: "connected", payload: { tunnel_id: "t" } });
    expect(world.socket.last("auth")).toBeDefined();
  });

  it("comes back with growing pauses of at most five seconds, for ever", async () => {
    const world = await makeWorld().paired();
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      world.socket.breaks();
      pauses.push(world.state.connection.retryAt! - world.clock.now());
      world.clock.pass(pauses.at(-1)!);
    }
    expect(pauses).toEqual([500, 1000, 2000, 4000, 5000, 5000, 5000]);
    expect(world.sockets).toHaveLength(8);
  });

  it("says that it reconnects once it was connected before", async () => {
    const world = await makeWorld().paired();
    expect(world.socket.last("connect").payload).not.toHaveProperty("reconnect");
    world.socket.breaks();
    world.clock.pass(500);
    world.accept();
    expect(world.socket.last("connect").payload).toHaveProperty("reconnect", true);
  });

  it("gives up a socket that is silent for ten seconds after a ping", async () => {
    const world = makeWorld();
    await world.paired();
    world.clock.pass(14_900);
    expect(world.sockets).toHaveLength(1);
    world.clock.pass(700);
    expect(world.sockets).toHaveLength(2);
  });

  it("is degraded after one missed heartbeat and reconnects after two", async () => {
    const world = await makeWorld().paired();
    const chatter = () => world.socket.says({ type: "pong", timestamp: 1 });
    world.clock.pass(5_000);
    expect(phase(world)).toBe("degraded");
    chatter();
    world.clock.pass(6_000);
    chatter();
    world.clock.pass(4_200);
    expect(phase(world)).toBe("disconnected");
    expect(world.state.connection.why).toBe("heartbeat");
  });

  it("does not hammer a server that refuses the key", async () => {
    const world = makeWorld();
    await world.client.start();
    await world.client.pair({ tunnelId: "t", url: "wss://x.test/ws", key: "0123456789abcdef" });
    world.socket.opens();
    world.socket.says({ type: "error", payload: { code: "INVALID_AUTH_KEY", message: "wrong" } });
    expect(phase(world)).toBe("refused");
    world.clock.pass(50_000);
    expect(world.sockets).toHaveLength(1);
    world.client.retry();
    expect(world.sockets).toHaveLength(2);
  });

  it("authenticates again after the workstation restarted, on the same socket", async () => {
    const world = await makeWorld().paired();
    world.socket.says({ type: "connection.workstation_offline", payload: { tunnel_id: "t" } });
    expect(phase(world)).toBe("workstation_offline");
    world.socket.says({ type: "connection.workstation_online", payload: { tunnel_id: "t" } });
    expect(world.socket.of("auth")).toHaveLength(2);
    world.socket.says({ type: "auth.success", payload: {} });
    expect(world.socket.of("sync")).toHaveLength(2);
    expect(phase(world)).toBe("authenticated");
  });

  it("finds out quickly after a sleep whether the socket lives", async () => {
    const world = await makeWorld().paired();
    world.socket.says({ type: "heartbeat.ack", id: world.socket.last("heartbeat").id });
    world.wake();
    expect(world.socket.of("ping")).toHaveLength(1);
    world.clock.pass(3_000);
    expect(phase(world)).toBe("disconnected");
  });

  it("survives whatever the other side says", async () => {
    const world = await makeWorld().paired();
    for (const text of ["", "null", "[]", "{", '{"type":1}', '{"type":"toString"}', '{"type":"session.output","payload":null}', '{"type":"sync.state","payload":{"sessions":[null,1,{"session_id":4}]}}']) {
      world.socket.says(text);
    }
    expect(phase(world)).toBe("authenticated");
  });
});
