import { describe, expect, it } from "vitest";
import { oneLine } from "~/store/news";
import { titleFor, waiting } from "./badge";

describe("the title", () => {
  it("counts what waits in all chats", () => {
    expect(waiting(new Map(Object.entries({ supervisor: 2, one: 3, broken: Number.NaN, odd: -1 })))).toBe(5);
    expect([titleFor(0), titleFor(5), titleFor(1000)]).toEqual(["Tiflis", "(5) Tiflis", "(99+) Tiflis"]);
    expect(titleFor(1, "tunnel")).toBe("(1) tunnel needs you · Tiflis");
  });
});

describe("the excerpt", () => {
  it("is one plain line", () => {
    expect(oneLine("## Done\n\n- **two** files in [src](javascript:x)\n```sh\nrm -rf\n```\nok")).toBe(
      "Done - two files in src … ok",
    );
  });

  it("leaves names as they are", () => {
    expect(oneLine("it is `accept_frame` now, _really_, in __init__.py")).toBe("it is accept_frame now, really, in init.py");
  });

  it("is short and cuts no letter in half", () => {
    expect(oneLine("😀".repeat(200))).toBe(`${"😀".repeat(139)}…`);
  });
});
