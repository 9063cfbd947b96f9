import { describe, expect, it } from "vitest";
import { readAnsi, withoutAnsi } from "./ansi";

const words = (text: string) => readAnsi(text).map((run) => run.text).join("");

describe("terminal output", () => {
  it("keeps colours and weights", () => {
    expect(readAnsi("a \x1b[1;31mFAILED\x1b[0m b")).toEqual([
      { text: "a ", look: "" },
      { text: "FAILED", look: "ansi-1 font-semibold" },
      { text: " b", look: "" },
    ]);
    expect(readAnsi("\x1b[38;5;46mgreen\x1b[38;2;255;0;0mred\x1b[48;5;1m\x1b[m.")).toEqual([
      { text: "green", look: "ansi-2" },
      { text: "red", look: "ansi-1" },
      { text: ".", look: "" },
    ]);
  });

  it("drops every other control, whole or cut off", () => {
    const odd = "a\x1b[2Kb\x1b]0;title\x07c\x1b]8;;https://evil.test\x1b\\d\x1b(Be\x9b31mf\x1bPq\x1b\\g\x00h\x1b[?25l";
    expect(words(odd)).toBe("abcdefgh");
    expect(withoutAnsi(odd)).toBe("abcdefgh");
    for (const cut of ["x\x1b", "x\x1b[", "x\x1b[3", "x\x1b]0;never ends", "x\x9b"]) expect(words(cut)).toBe("x");
  });

  it("shows the last state of a progress bar", () => {
    expect(words("10 %\r50 %\r100 %\r\nnext\r\n")).toBe("100 %\nnext\n");
  });

  it("stays small and quick on hostile text", () => {
    expect(readAnsi("\x1b[31mx\x1b[32my".repeat(50_000)).length).toBeLessThanOrEqual(5_001);
    expect(words("\x1b[" + "1;".repeat(500_000))).toBeDefined();
    expect(words("\x1b]".repeat(300_000))).toBe("");
    expect(words("\r".repeat(500_000))).toBe("");
  });
});
