import { describe, expect, it } from "vitest";
import { cleaned, pasted } from "~/terminal/clean";
import { forTerminal } from "~/terminal/hardware";
import { insertedBefore } from "~/terminal/inserted";
import { isReport, rowKey, typed } from "~/terminal/keys";
import { moved, ordered, USUAL } from "~/terminal/order";
import { held, NOTHING_HELD, tapped, used } from "~/terminal/sticky";

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

  it("keeps text, tabs and line ends, and no other control character", () => {
    const controls = [...Array(32).keys(), ...Array.from({ length: 33 }, (_, at) => 127 + at)].map((code) => String.fromCharCode(code));
    expect(cleaned(controls.join(""))).toBe("\t\n\n");
    expect(cleaned("ünï \u{1f600} \x1b[31mred\x1b[0m\u2028next")).toBe("ünï \u{1f600} red\nnext");
  });

  it("cannot make an end of the brackets out of what is left when others are taken away", () => {
    for (const end of ["\x1b[20\x1b[201~1~", "\x9b201~", "\x1b\x1b[201~[201~", "\x1b[\x00201~"]) {
      expect(pasted(end, true).slice(6, -6)).not.toContain("\x1b");
      expect(pasted(end, true).slice(6, -6)).not.toContain("\x9b");
    }
  });
});

describe("sticky modifiers", () => {
  it("hold for one key after a tap, and until the next tap after a double tap", () => {
    const once = tapped(NOTHING_HELD, "ctrl", 1000);
    expect([held(once).ctrl, held(used(once)).ctrl]).toEqual([true, false]);
    const locked = tapped(once, "ctrl", 1200);
    expect(held(used(locked)).ctrl).toBe(true);
    expect(held(tapped(locked, "ctrl", 5000)).ctrl).toBe(false);
    expect(held(tapped(once, "ctrl", 3000)).ctrl).toBe(false);
  });
});

describe("the order of the keys", () => {
  it("survives other versions: unknown names go, new keys come last", () => {
    expect(ordered(["pipe", "gone", "escape", "pipe"])).toEqual(["pipe", "escape", ...USUAL.filter((key) => key !== "pipe" && key !== "escape")]);
    expect(ordered("nonsense")).toEqual(USUAL);
  });

  it("moves a key one place", () => {
    expect(moved(["up", "down", "left"], "down", -1)).toEqual(["down", "up", "left"]);
    expect(moved(["up", "down"], "down", 1)).toEqual(["up", "down"]);
  });
});

describe("keys beside the native line", () => {
  const plain = { code: "", ctrlKey: false, altKey: false, metaKey: false, altGraph: false };

  it("go to the terminal where only it has a use for them", () => {
    for (const key of ["ArrowUp", "Escape", "Tab", "F5"]) expect(forTerminal({ ...plain, key }, "text", false)).toBe(true);
    expect(forTerminal({ ...plain, key: "c", ctrlKey: true }, "text", false)).toBe(true);
    expect(forTerminal({ ...plain, key: "b", code: "KeyB", altKey: true }, "", false)).toBe(true);
  });

  it("stay in the line where they write, move or copy in it", () => {
    expect(forTerminal({ ...plain, key: "a" }, "", false)).toBe(false);
    expect(forTerminal({ ...plain, key: "ArrowLeft" }, "text", false)).toBe(false);
    expect(forTerminal({ ...plain, key: "c", ctrlKey: true }, "text", true)).toBe(false);
    expect(forTerminal({ ...plain, key: "|", code: "Digit7", altKey: true }, "", false)).toBe(false);
  });

  it("are found wherever the caret is", () => {
    expect(insertedBefore(1, "abc", "xabc")).toBe("x");
    expect(insertedBefore(2, "abc", "axbc")).toBe("x");
    expect(insertedBefore(4, "abc", "abcx")).toBe("x");
    expect(insertedBefore(1, "aaa", "aaaa")).toBe("a");
  });
});
