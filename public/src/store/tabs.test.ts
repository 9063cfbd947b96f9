import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { localStorageStub, makeWorld } from "../testing/world";

/** What another tab has kept a moment ago: its word has not come to this one. */
const keep = (name: string, value: unknown) => localStorage.setItem(`tiflis.${name}`, JSON.stringify(value));
const kept = (name: string): unknown => JSON.parse(localStorage.getItem(`tiflis.${name}`) ?? "null");

beforeEach(() => vi.stubGlobal("localStorage", localStorageStub()));
afterEach(() => vi.unstubAllGlobals());

describe("two tabs that change something at once", () => {
  it("keep both settings, the order of the keys and the snippets among them", async () => {
    const world = await makeWorld().paired();
    keep("settings", { theme: "dark", terminalKeyOrder: ["tab"], terminalSnippets: [{ text: "make", enter: true }] });
    world.client.set({ sounds: true });
    expect(kept("settings")).toMatchObject({ theme: "dark", terminalKeyOrder: ["tab"], sounds: true });
    expect(world.state.settings).toMatchObject({ theme: "dark", terminalSnippets: [{ text: "make", enter: true }] });
  });

  it("keep both pins, and take back what one of them unpinned", async () => {
    const world = await makeWorld().paired();
    const name = `pinned.${world.state.current}`;
    keep(name, ["theirs"]);
    world.client.pin("mine", true);
    expect([kept(name), [...world.state.pinned]]).toEqual([["theirs", "mine"], ["theirs", "mine"]]);
    keep(name, []);
    world.client.pin("mine", false);
    expect([...world.state.pinned]).toEqual([]);
  });
});

describe("a workstation that another tab", () => {
  const other = { tunnelId: "tunnel-2", url: "wss://example.test/ws", key: "fedcba9876543210" };

  it("has forgotten is left here, and not kept again", async () => {
    const world = await makeWorld().paired();
    const first = world.state.current!;
    const second = await world.client.pair(other);
    await world.vault.forget(second);
    world.otherTab("paired", "", "1");
    await world.settle();
    expect([world.state.current, world.state.workstations.map(({ id }) => id)]).toEqual([first, [first]]);
    await world.client.rename(second, "again");
    expect((await world.vault.workstations()).map(({ id }) => id)).toEqual([first]);
  });

  it("has renamed or paired is shown here, and the one on screen stays", async () => {
    const world = await makeWorld().paired();
    const [socket, first] = [world.socket, (await world.vault.workstations())[0]!];
    await world.vault.keep({ ...first, name: "Workshop" });
    await world.vault.keep({ ...first, id: "ws-2", tunnelId: "tunnel-2", name: "Attic", addedAt: first.addedAt + 1 });
    world.otherTab("paired", "", "1");
    await world.settle();
    expect(world.state.workstations.map(({ name }) => name)).toEqual(["Workshop", "Attic"]);
    expect([world.state.current, world.socket]).toEqual([first.id, socket]);
  });

  it("has the last one forgotten leaves nothing on screen", async () => {
    const world = await makeWorld().paired();
    await world.vault.forget(world.state.current!);
    world.otherTab("paired", "", "1");
    await world.settle();
    expect([world.state.current, world.state.workstations]).toEqual([null, []]);
  });
});
