import { describe, expect, it } from "vitest";
import { endFrom, readAnsi, withoutAnsi } from "./ansi";

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

describe("terminal output that a stranger's program writes", () => {
  it("takes details after a colon for details", () => {
    expect(readAnsi("\x1b[38:2::255:0:0mred\x1b[38:5:46mgreen")).toEqual([
      { text: "red", look: "ansi-1" },
      { text: "green", look: "ansi-2" },
    ]);
    expect(readAnsi("\x1b[1;4:3mcurly\x1b[4:0mplain")).toEqual([
      { text: "curly", look: "font-semibold underline" },
      { text: "plain", look: "font-semibold" },
    ]);
    // The colour of the underline is neither bold nor italic.
    expect(readAnsi("\x1b[4;58;5;1mx\x1b[0;58;2;1;3;9my")).toEqual([
      { text: "x", look: "underline" },
      { text: "y", look: "" },
    ]);
  });

  it("shows what is inverse, and links that lead to the web", () => {
    expect(readAnsi("\x1b[7mON\x1b[27m off")).toEqual([
      { text: "ON", look: "ansi-inverse" },
      { text: " off", look: "" },
    ]);
    expect(readAnsi("\x1b]8;id=1;https://example.com/a\x1b\\here\x1b]8;;\x07 \x1b]8;;javascript:alert(1)\x07no\x1b]8;;\x07")).toEqual([
      { text: "here", look: "", href: "https://example.com/a" },
      { text: " no", look: "" },
    ]);
  });

  it("keeps the style over a carriage return", () => {
    expect(readAnsi("\x1b[31m10 %\r20 %")).toEqual([{ text: "20 %", look: "ansi-1" }]);
  });

  it("takes back what was written over", () => {
    expect(words("|\b/\b-\b done")).toBe(" done");
    expect(words("N\bNA\bAME and _\bx")).toBe("NAME and x");
    expect(words("\x1b[31ma\x1b[0m\bb")).toBe("b");
    expect(words("one 10 %\ntwo 10 %\n\x1b[2Aone 90 %\ntwo 95 %\nend")).toBe("one 90 %\ntwo 95 %\nend");
    expect(words("\b".repeat(300_000) + "\x1b[9A".repeat(100_000))).toBe("");
    expect(words("\x1b[31mx\r".repeat(50_000))).toBe("x");
  });

  it("begins a cut end in its style and not within a sequence", () => {
    const whole = "\x1b[31mred \x1b[1mbold\x1b[0m";
    expect(readAnsi(endFrom(whole, 6))).toEqual(readAnsi(whole.slice(0, 5) + whole.slice(6)));
    expect(readAnsi(endFrom(whole, whole.indexOf("1mbold")))).toEqual([{ text: "bold", look: "ansi-1 font-semibold" }]);
  });
});
