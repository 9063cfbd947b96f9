import { describe, expect, it } from "vitest";
import { folded } from "./fold";

const numbered = (count: number) => Array.from({ length: count }, (_, n) => `${n + 1}`).join("\n");

describe("a long text", () => {
  it("shows its first or its last twelve lines and counts them all", () => {
    expect(folded(numbered(2_000))).toEqual({ part: numbered(12), lines: 2_000 });
    expect(folded(`${numbered(20)}\n`, true)).toEqual({ part: `${numbered(20).split("\n").slice(-12).join("\n")}\n`, lines: 20 });
  });

  it("of one endless line is cut too, between characters", () => {
    expect(folded("x".repeat(9_000))?.part.length).toBe(4_000);
    expect(folded(`${"x".repeat(3_999)}😀😀`)?.part).toBe("x".repeat(3_999));
  });

  it("is left whole when little would be hidden", () => {
    expect(folded(numbered(15))).toBeNull();
    expect(folded("")).toBeNull();
  });
});
