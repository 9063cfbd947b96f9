import { describe, expect, it } from "vitest";
import * as page from "../notify/shown";
import { addressOfChat, cacheName, outdated, shownFor, tagOf, treatment } from "./rules";

const SCOPE = "https://tunnel.example/";
const FILES = new Set(["index.html", "assets/index-abc.js", "icons/icon.svg"]);

const asked = (url: string, mode = "cors", method = "GET", partial = false) =>
  treatment({ method, mode, url, partial }, SCOPE, FILES);

describe("the service worker", () => {
  it("answers the page and the built files", () => {
    expect(asked("https://tunnel.example/?x#/chat", "navigate")).toBe("page");
    expect(asked("https://tunnel.example/assets/index-abc.js")).toBe("file");
    expect(asked("https://tunnel.example/assets/older-part.js")).toBe("file");
    expect(asked("https://tunnel.example/icons/icon.svg")).toBe("file");
  });

  it("keeps its hands off everything else", () => {
    for (const path of ["api/v1/watch/messages", "ws", "health", "healthz", "readyz", "metrics", "sw.js"]) {
      expect(asked(`https://tunnel.example/${path}`)).toBe("network");
      expect(asked(`https://tunnel.example/${path}`, "navigate")).toBe("network");
    }
    expect(asked("https://elsewhere.example/assets/index-abc.js")).toBe("network");
    expect(asked("https://tunnel.example/assets/index-abc.js", "cors", "POST")).toBe("network");
    expect(asked("https://tunnel.example/assets/index-abc.js", "cors", "GET", true)).toBe("network");
  });

  it("leads from a touched notification to its conversation", () => {
    expect(addressOfChat("https://tunnel.example/app/", "a/b")).toBe("https://tunnel.example/app/#session=a%2Fb");
    expect(addressOfChat("https://tunnel.example/", "supervisor", "t1")).toBe("https://tunnel.example/#session=supervisor&tunnel=t1");
    expect(addressOfChat("https://tunnel.example/", undefined, "t1")).toBe("https://tunnel.example/#tunnel=t1");
    expect(addressOfChat("https://tunnel.example/", undefined)).toBe("https://tunnel.example/");
  });

  it("shows what a push message says, and something for one that it cannot read", () => {
    const message = { notification: { title: "claude is done", body: "All green", tag: "s1" }, tiflis: { kind: "done", session: "s1", tunnel_id: "t1" } };
    expect(shownFor(message)).toEqual({ title: "claude is done", body: "All green", tag: "tiflis-t1-s1", data: { chat: "s1", tunnel: "t1" }, always: false });
    expect(shownFor({ notification: { title: "The assistant is done", tag: "done" }, tiflis: { kind: "done", tunnel_id: "t1" } }).data).toEqual({ chat: "supervisor", tunnel: "t1" });
    expect(shownFor({ notification: { title: "Away", tag: "offline" }, tiflis: { kind: "offline" } })).toMatchObject({ tag: "tiflis--offline", data: {} });
    expect(page.tagOf("t1", "s1")).toBe(tagOf("t1", "s1"));
    for (const strange of [null, 7, "x", { notification: null, tiflis: [] }]) expect(shownFor(strange)).toMatchObject({ title: "Tiflis", data: {} });
  });

  it("keeps the version before its own, for pages that still run it", () => {
    const [first, second, third] = [cacheName("c"), cacheName("b"), cacheName("a")];
    expect(outdated([first, second, third, "somebody-else"], third)).toEqual([first]);
    expect(outdated([second], second)).toEqual([]);
  });
});
