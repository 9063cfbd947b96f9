import { describe, expect, it } from "vitest";
import { isolated, isolating } from "./direction";

describe("a name in a sentence", () => {
  it("is left as it is while it turns nothing", () => {
    for (const name of ["snake-game", "Zażółć gęślą", "日本語", "12:30", "😀"]) expect(isolated(name)).toBe(name);
  });

  it("is set by itself where it is written from right to left, and cannot break out", () => {
    expect(isolated("שלום!")).toBe("\u2068שלום!\u2069");
    expect(isolated("a\u2069\u202eb")).toBe("\u2068ab\u2069");
  });

  it("is so in words that take names, and their other arguments stay", () => {
    const words = isolating((name: string, count: number) => `${name}: ${count}`);
    expect(words("عمل", 2)).toBe("\u2068عمل\u2069: 2");
    expect(words.length).toBe(2);
    expect(isolating("plain")).toBe("plain");
  });
});
