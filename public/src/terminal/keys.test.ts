import { describe, expect, it } from "vitest";
import { isReport, pasted, rowKey, typed } from "~/terminal/keys";

const none = { ctrl: false, alt: false };
const ctrl = { ctrl: true, alt: false };

describe("the key row", () => {
  it("sends arrows as the program on screen asked for them", () => {
    expect(rowKey("up", none, false)).toBe("\x1b[A");
    expect(rowKey("up", none, true)).toBe("\x1bOA");
    expect(rowKey("left", ctrl, true)).toBe("\x1b[1;5D");
  });

  it("sends Esc, Tab and Enter as one byte", () => {
    expect([rowKey("escape", none, false), rowKey("tab", none, false), rowKey("enter", none, false)]).toEqual([
      "\x1b",
      "\t",
      "\r",
    ]);
  });

  it("applies Ctrl to the next character only", () => {
    expect(typed("c", ctrl)).toBe("\x03");
    expect(typed("[", ctrl)).toBe("\x1b");
    expect(typed("rest", ctrl)).toBe("\x12est");
    expect(typed("é", ctrl)).toBe("é");
    expect(typed("d", { ctrl: false, alt: true })).toBe("\x1bd");
  });
});

describe("reports of the terminal", () => {
  it("are told from what a person types", () => {
    for (const report of ["\x1b[?1;2c", "\x1b[12;40R", "\x1b[0n", "\x1b]11;rgb:00/00/00\x1b\\", "\x1bP1$r0m\x1b\\"]) {
      expect(isReport(report)).toBe(true);
    }
    for (const key of ["a", "\r", "\x1b", "\x1b[A", "\x1bOA", "\x1b[1;5D", "\x1b[5~", "\x03"]) {
      expect(isReport(key)).toBe(false);
    }
  });
});

describe("a paste", () => {
  it("cannot leave its brackets", () => {
    expect(pasted("a\nb", true)).toBe("\x1b[200~a\rb\x1b[201~");
    expect(pasted("a\x1b[201~rm -rf\n", true)).toBe("\x1b[200~arm -rf\r\x1b[201~");
    expect(pasted("a\r\nb", false)).toBe("a\rb");
  });
});
