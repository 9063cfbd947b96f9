import { describe, expect, it } from "vitest";
import { asked, fittingFont, fontSize, told } from "~/terminal/size";

describe("the size of a terminal", () => {
  it("is never asked for below what the workstation takes", () => {
    expect(asked({ cols: 31, rows: 12 })).toEqual({ cols: 40, rows: 24 });
    expect(asked({ cols: 120.7, rows: 40 })).toEqual({ cols: 120, rows: 40 });
    expect(asked({ cols: Number.NaN, rows: Infinity })).toEqual({ cols: 40, rows: 24 });
  });

  it("is believed only when it is one", () => {
    expect(told({ cols: 80, rows: 24 })).toEqual({ cols: 80, rows: 24 });
    expect(told({ cols: 1e9, rows: 24 })).toEqual({ cols: 500, rows: 24 });
    for (const nonsense of [undefined, {}, { cols: "80", rows: 24 }, { cols: -1, rows: 24 }, { cols: 1.5, rows: 2 }]) {
      expect(told(nonsense)).toBeUndefined();
    }
  });

  it("is followed by a font that shows whole lines", () => {
    expect(fittingFont(14, 200, 800, 0.6)).toBe(6.5);
    expect(fittingFont(14, 80, 2000, 0.6)).toBe(14);
    expect(fittingFont(14, 500, 300, 0.6)).toBe(6);
    expect(fontSize(99)).toBe(32);
  });
});
