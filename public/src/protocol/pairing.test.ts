import { describe, expect, it } from "vitest";
import { pairingInFragment, pairingText, readPairing, socketUrl } from "./pairing";

const json = JSON.stringify({ tunnel_id: "t-1", url: "wss://x.test/ws", key: "0123456789abcdef+/?ü" });
const base64 = Buffer.from(json).toString("base64");
const expected = { tunnelId: "t-1", url: "wss://x.test/ws", key: "0123456789abcdef+/?ü" };

describe("a pairing", () => {
  it.each([
    ["a magic link", `tiflis://connect?data=${encodeURIComponent(base64)}`],
    ["a magic link with the base64 as it is", `tiflis://connect?data=${base64}`],
    ["url-safe base64", Buffer.from(json).toString("base64url")],
    ["the web client's address", `https://x.test/#data=${encodeURIComponent(base64)}`],
    ["JSON", json],
    ["JSON as an address has it", encodeURIComponent(json)],
    ["JSON as a browser's address has it", json.replace(/"/g, "%22")],
    ["JSON with room around it", `\n  ${json}\n`],
    ["a form's spaces for pluses", `tiflis://connect?data=${base64.replace(/\+/g, " ")}`],
  ])("is read from %s", (_, text) => {
    expect(readPairing(text)).toEqual(expected);
  });

  it.each([
    ["", "empty"],
    ["hello", "unreadable"],
    ["[]", "unreadable"],
    ["{", "unreadable"],
    ["tiflis://connect?data=%E0%A4%A", "unreadable"],
    ['{"url":"wss://x.test","key":"0123456789abcdef"}', "no-tunnel"],
    ['{"tunnel_id":"t","key":"0123456789abcdef"}', "no-url"],
    ['{"tunnel_id":"t","url":"javascript:alert(1)","key":"0123456789abcdef"}', "bad-url"],
    ['{"tunnel_id":"t","url":"wss://x.test","key":"short"}', "short-key"],
    ['{"tunnel_id":1,"url":null,"key":{}}', "no-tunnel"],
  ])("says what is wrong with %j", (text, problem) => {
    expect(readPairing(text)).toBe(problem);
  });

  it("comes back from its own text", () => {
    expect(readPairing(pairingText(expected))).toEqual(expected);
  });

  it("is found in the page's fragment only under its name", () => {
    expect(pairingInFragment("#data=abc")).toBe("abc");
    expect(pairingInFragment("#/data=abc")).toBe("abc");
    expect(pairingInFragment("#/s/data=abc")).toBeNull();
    expect(pairingInFragment("#/settings")).toBeNull();
  });

  it("takes an address as people write it", () => {
    expect(socketUrl("x.test")).toBe("wss://x.test/ws");
    expect(socketUrl("https://x.test/")).toBe("wss://x.test/ws");
    expect(socketUrl("ws://localhost:3001/other")).toBe("ws://localhost:3001/other");
    expect(socketUrl("ftp://x.test")).toBeNull();
    expect(socketUrl("wss://user:secret@x.test/ws#x")).toBe("wss://x.test/ws");
  });
});
