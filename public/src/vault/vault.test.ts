import { describe, expect, it } from "vitest";
import { memoryStorage } from "../testing/world";
import { makeKey, seal, unseal } from "./seal";
import { TabVault, type SavedItem, type SavedWorkstation } from "./vault";

const workstation: SavedWorkstation = { id: "w", name: "Desk", tunnelId: "t", url: "wss://x.test/ws", authKey: "0123456789abcdef", addedAt: 1 };
const saved = (id: string, workstationId = "w"): SavedItem => ({
  workstationId,
  tab: "tab-1",
  item: { id, chat: "supervisor", text: "hello", createdAt: 1, sentAt: null, state: "waiting", error: null },
});

describe("sealing", () => {
  it("gives back what was sealed, and shows none of it", async () => {
    const key = await makeKey();
    const sealed = await seal(key, workstation);
    expect(await unseal(key, sealed)).toEqual(workstation);
    expect(Buffer.from(sealed.data).toString("latin1")).not.toContain(workstation.authKey);
  });

  it("never seals two things alike", async () => {
    const key = await makeKey();
    const [one, other] = await Promise.all([seal(key, "same"), seal(key, "same")]);
    expect(Buffer.from(one.data)).not.toEqual(Buffer.from(other.data));
  });

  it("uses a key that no script can read out", async () => {
    await expect(crypto.subtle.exportKey("raw", await makeKey())).rejects.toThrow();
  });

  it("opens nothing with another key, and nothing that was tampered with", async () => {
    const key = await makeKey();
    const sealed = await seal(key, workstation);
    expect(await unseal(await makeKey(), sealed)).toBeUndefined();
    new Uint8Array(sealed.data)[3]! ^= 1;
    expect(await unseal(key, sealed)).toBeUndefined();
  });
});

describe("a tab's vault", () => {
  it("keeps, replaces and forgets, with what waited to be sent", async () => {
    const vault = new TabVault(memoryStorage());
    await vault.keep(workstation);
    await vault.keep({ ...workstation, name: "Renamed" });
    await vault.keepItem(saved("m1"));
    await vault.keepItem(saved("m2", "other"));
    expect((await vault.workstations()).map((each) => each.name)).toEqual(["Renamed"]);
    await vault.forget("w");
    expect(await vault.workstations()).toEqual([]);
    expect((await vault.items()).map((each) => each.item.id)).toEqual(["m2"]);
  });

  it("loses nothing in memory when the storage is full", async () => {
    const full = { getItem: () => null, setItem: () => { throw new Error("full"); } };
    await expect(new TabVault(full).keepItem(saved("m1"))).resolves.toBeUndefined();
  });
});
