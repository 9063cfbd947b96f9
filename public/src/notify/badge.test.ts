import { describe, expect, it } from "vitest";
import { oneLine } from "~/store/news";
import { waiting } from "./badge";
import { titleFor } from "./title";

describe("the title", () => {
  it("counts what waits in all chats", () => {
    expect(waiting(new Map(Object.entries({ supervisor: 2, one: 3, broken: Number.NaN, odd: -1 })))).toBe(5);
    const quiet = { unread: 0, needs: "", shown: "", working: false };
    expect([0, 5, 1000].map((unread) => titleFor({ ...quiet, unread }))).toEqual(["Tiflis", "(5) Tiflis", "(99+) Tiflis"]);
    expect(titleFor({ ...quiet, unread: 1, needs: "tunnel", shown: "website" })).toBe("(1) tunnel needs you · Tiflis");
    expect(titleFor({ ...quiet, shown: "tunnel", working: true })).toBe("● tunnel · Tiflis");
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
