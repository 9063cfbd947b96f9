import { describe, expect, it } from "vitest";
import { FIRST, wanted } from "./push";

const at = (time: string) => new Date(`2026-01-02T${time}:00`);

describe("what a person wants to be notified of", () => {
  it("is everything where nothing was chosen", () => {
    expect(wanted(null, "done", "s1", at("23:00"))).toBe(true);
  });

  it("leaves out other kinds and muted sessions", () => {
    const wishes = { ...FIRST, kinds: ["bell" as const], muted: ["s1"] };
    expect([wanted(wishes, "done", "s2", at("12:00")), wanted(wishes, "bell", "s1", at("12:00")), wanted(wishes, "bell", "s2", at("12:00"))]).toEqual([false, false, true]);
  });

  it.each([
    ["22:00", "07:00", { "21:59": true, "22:00": false, "06:59": false, "07:00": true }],
    ["12:00", "13:00", { "11:59": true, "12:30": false, "13:00": true }],
  ])("is nothing between %s and %s", (from, to, expected) => {
    for (const [time, passes] of Object.entries(expected)) expect(wanted({ ...FIRST, quiet: { from, to } }, "done", "s1", at(time)), time).toBe(passes);
  });
});
