/** Who may import whom: the table of the README. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const SRC = new URL("../", import.meta.url);

/** The store also runs the pure order of terminal output. */
const MAY_IMPORT: Record<string, RegExp> = {
  protocol: /^\.\/|^\.\.\/protocol\//,
  connection: /^\.\/|^\.\.\/(protocol|connection)\/|^\.\.\/store\/state$/,
  vault: /^\.\/|^\.\.\/(protocol|vault)\/|^\.\.\/store\/state$/,
  store: /^\.\/|^\.\.\/(protocol|connection|vault|store)\/|^\.\.\/terminal\/sequence$|^zustand\/vanilla$/,
};

function imports(room: string): [string, string][] {
  const files = readdirSync(new URL(`${room}/`, SRC)).filter((name) => name.endsWith(".ts") && !name.includes(".test."));
  return files.flatMap((name) => {
    const source = readFileSync(new URL(`${room}/${name}`, SRC), "utf8");
    return [...source.matchAll(/from "([^"]+)"/g)].map((match): [string, string] => [`${room}/${name}`, match[1]!]);
  });
}

describe("the rooms below the screens", () => {
  it.each(Object.keys(MAY_IMPORT))("%s imports only what it may", (room) => {
    const found = imports(room);
    expect(found.filter(([, from]) => !MAY_IMPORT[room]!.test(from))).toEqual([]);
  });
});
