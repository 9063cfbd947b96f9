/** The frames of `tests/golden`, which the server's own tests read too. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as outgoing from "./outgoing";
import { readMessage } from "./read";

const golden = (name: string) => JSON.parse(readFileSync(new URL(`../../../tests/golden/${name}.json`, import.meta.url), "utf8")) as never[];

interface Sent {
  built_by: keyof typeof outgoing;
  arguments: unknown[];
  frame: Record<string, unknown>;
}

interface Received {
  frame: Record<string, unknown>;
  read_as: Record<string, unknown>;
}

/** JSON has no Map: the golden frames write it as an object. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each: unknown) => (each instanceof Map ? Object.fromEntries(each) : each)));

describe("what the client sends", () => {
  it.each(golden("from_client") as Sent[])("$frame.type", ({ built_by, arguments: given, frame }) => {
    const build = outgoing[built_by] as (...values: unknown[]) => unknown;
    // JSON has no `undefined`, and neither has the wire.
    expect(JSON.parse(JSON.stringify(build(...given)))).toEqual(frame);
  });
});

describe("what the client reads", () => {
  it.each(golden("to_client") as Received[])("$frame.type", ({ frame, read_as }) => {
    expect(plain(readMessage(JSON.stringify(frame), 0))).toEqual(read_as);
  });

  it("throws at nothing, whatever is in any field", () => {
    const hostile = [null, 0, -1, "", "x", [], {}, true, [null], { a: null }, 1e400, "\ud800"];
    for (const { frame } of golden("to_client") as Received[]) {
      for (const value of hostile) {
        for (const name of Object.keys((frame.payload ?? {}) as object)) {
          const payload = { ...(frame.payload as object), [name]: value };
          expect(() => readMessage(JSON.stringify({ ...frame, payload }), 0)).not.toThrow();
        }
        expect(() => readMessage(JSON.stringify({ ...frame, payload: value }), 0)).not.toThrow();
      }
    }
  });
});
