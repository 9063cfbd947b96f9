import { describe, expect, it } from "vitest";
import { makeWorld } from "../testing/world";
import { inOrder, readCode, readDevices, type Device } from "./devices";
import { DeviceList } from "./list";

const KEY = "dk_abcdefgh_0123456789abcdef0123456789abcdef";
const device = (fields: Record<string, unknown>) => ({ key_id: "k1", name: "", scope: "full", state: "active", created: "2026-01-01T00:00:00Z", connected: false, this: false, ...fields });
const answer = (scope: string, devices: unknown[] = []) => ({ you: { scope }, owner_key: "any", devices, owner_devices: [] });

async function paired(key: string, says: (method: string, path: string) => [number, unknown]) {
  const world = makeWorld();
  world.server.answer = says;
  await world.client.start();
  await world.client.pair({ tunnelId: "tunnel-1", url: "wss://example.test/base/ws", key });
  world.accept();
  await world.settle();
  return world;
}

describe("what a device may do", () => {
  it("is everything with the workstation's own key, and the server is not asked", async () => {
    const world = await makeWorld().paired();
    expect(world.state.scope).toBe("owner");
    expect(world.server.asked).toEqual([]);
  });

  it("is asked of the server with a key of its own, and asked again after a refusal", async () => {
    let scope = "full";
    const world = await paired(KEY, () => [200, answer(scope)]);
    expect(world.state.scope).toBe("full");
    expect(world.server.asked[0]).toMatchObject({ method: "GET", url: "https://example.test/base/api/v1/devices", headers: { Authorization: `Bearer ${KEY}`, "X-Tunnel-Id": "tunnel-1" } });
    scope = "view";
    world.socket.says({ type: "error", payload: { code: "FORBIDDEN", message: "view" } });
    await world.settle();
    expect(world.state.scope).toBe("view");
    expect(world.state.notices.map(({ text }) => text)).toEqual(["FORBIDDEN"]);
  });

  it("is not known before the answer, and allowed where no answer can be had", async () => {
    const world = makeWorld();
    await world.client.start();
    await world.client.pair({ tunnelId: "tunnel-1", url: "wss://example.test/ws", key: KEY });
    expect(world.state.scope).toBeNull();
    world.accept();
    await world.settle();
    expect(world.state.scope).toBe("full");
  });

  it("keeps a terminal's keys from the wire on a device that may only look", async () => {
    const world = await paired(KEY, () => [200, answer("view")]);
    world.client.openTerminal("t", () => {});
    world.client.sendInput("t", "rm");
    world.client.resize("t", 80, 24);
    expect(world.socket.of("session.input")).toEqual([]);
    expect(world.socket.of("session.resize")).toEqual([]);
  });
});

describe("a refused key", () => {
  it("says that the workstation's own key is closed to new devices", async () => {
    const world = makeWorld();
    await world.client.start();
    await world.client.pair({ tunnelId: "tunnel-1", url: "wss://example.test/ws", key: "0123456789abcdef" });
    world.socket.opens();
    world.socket.says({ type: "error", payload: { code: "INVALID_AUTH_KEY", message: "Invalid auth key", details: { owner_key: "known" } } });
    expect(world.state.connection).toMatchObject({ phase: "refused", why: "owner-key" });
  });

  it("that was made for a device says that it has ended", async () => {
    const world = await paired(KEY, () => [200, answer("full")]);
    world.socket.breaks();
    world.clock.pass(500);
    world.socket.opens();
    world.socket.says({ type: "error", payload: { code: "INVALID_AUTH_KEY", message: "Invalid auth key" } });
    expect(world.state.connection).toMatchObject({ phase: "refused", why: "key-ended" });
  });
});

describe("the list of devices", () => {
  it("is read anew after each change", async () => {
    const world = await paired(KEY, (method) => [200, method === "GET" ? answer("owner", [device({ name: "Phone" })]) : {}]);
    const list = new DeviceList(world.client);
    await list.load();
    expect(list.store.getState().all?.devices.map(({ name }) => name)).toEqual(["Phone"]);
    world.server.asked.length = 0;
    await list.revoke("k1");
    expect(world.server.asked.map(({ method, url }) => `${method} ${new URL(url).pathname}`)).toEqual(["DELETE /base/api/v1/devices/k1", "GET /base/api/v1/devices"]);
  });

  it("says that a key is revoked though a part of the server has not confirmed it", async () => {
    const there = [device({ key_id: "k1", name: "Phone" })];
    const world = await paired(KEY, (method) => (method === "DELETE" ? (there.pop(), [503, { error: "send_failed", message: "not confirmed" }]) : [200, answer("owner", there)]));
    const list = new DeviceList(world.client);
    await list.load();
    await expect(list.revoke("k1")).rejects.toMatchObject({ code: "unconfirmed" });
    expect(list.store.getState().all?.devices).toEqual([]);
  });

  it("says what is wrong, and that an older server knows no devices", async () => {
    const world = await paired(KEY, () => [403, { error: "forbidden", message: "no" }]);
    const list = new DeviceList(world.client);
    await expect(list.invite({ name: "", scope: "full", expiresIn: null })).rejects.toMatchObject({ code: "FORBIDDEN" });
    for (const [status, error, code] of [[409, "device_limit", "DEVICE_LIMIT"], [401, "invalid_auth_key", "INVALID_AUTH_KEY"], [400, "invalid_parameters", "INVALID_PAYLOAD"], [404, "push_off", "unsupported"]] as const) {
      world.server.answer = () => [status, { error, message: "no" }];
      await expect(world.client.ask("POST", "api/v1/devices")).rejects.toMatchObject({ code });
    }
    world.server.answer = () => [404, { error: "Not Found", code: "NOT_FOUND" }];
    await list.load();
    expect(list.store.getState().trouble).toBe("unsupported");
  });

  it("has what is in use first, then what waits, then what is over; and takes nothing amiss", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    const shown = (devices: Device[]) => inOrder(devices, now).map(({ id }) => id);
    const { devices } = readDevices(answer("owner", [
      device({ key_id: "over", expires: "2026-01-01T12:00:00Z", state: "expired" }),
      device({ key_id: "waits", state: "waiting", until: "2026-01-02T00:05:00Z" }),
      device({ key_id: "old", last_seen: "2026-01-01T01:00:00Z" }),
      device({ key_id: "new", last_seen: "2026-01-01T23:00:00Z", device_id: "web-1" }),
      null,
      "no device",
    ]));
    expect(shown(devices)).toEqual(["new", "old", "waits", "over"]);
    expect(devices.find(({ id }) => id === "new")?.kind).toBe("browser");
    expect(readDevices({}).devices).toEqual([]);
  });
});

describe("a code", () => {
  it("is read in either case, with blanks and dashes, and nothing else", () => {
    expect(readCode(" abcd 2345 ")).toBe("ABCD-2345");
    expect(readCode("ABCD-2345")).toBe("ABCD-2345");
    expect(["", "ABCD-234", "ABCD-23456", "ÄBCD-2345"].map(readCode)).toEqual(["", "", "", ""]);
  });
});
