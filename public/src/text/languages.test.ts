/** Every word stands in every language, and takes what the English one takes. */

import { describe, expect, it } from "vitest";
import de from "./de";
import es from "./es";
import { languageFor, registered } from "./words";

/** Names and signs that are the same in many languages. */
const MOST_ALIKE = 0.2;

const files = import.meta.glob(["./*.ts", "!./*.test.ts", "!./de.ts", "!./es.ts"]);
await Promise.all(Object.values(files).map((load) => load()));

/** What a key shows may be a sign, the same everywhere. */
const needed = (name: string) => !name.endsWith(".face");

/** "chat.delivery.waiting" and what stands there; product names of the types need no translation. */
function entries(value: object, path = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([key, below]: [string, unknown]) => {
    const name = path ? `${path}.${key}` : key;
    return typeof below === "object" && below !== null ? entries(below, name) : [[name, below] as [string, unknown]];
  });
}

const ENGLISH = new Map(entries(Object.fromEntries(registered())).filter(([name]) => !/^types\.(claude|cursor|opencode)/.test(name)));

describe.each([
  ["German", de],
  ["Spanish", es],
])("%s", (_, translation) => {
  const words = new Map(entries(translation));

  it("has every word of the English, and no other", () => {
    expect([...ENGLISH.keys()].filter((name) => needed(name) && !words.has(name))).toEqual([]);
    expect([...words.keys()].filter((name) => !ENGLISH.has(name))).toEqual([]);
  });

  it("takes what the English takes, and is no copy of it", () => {
    for (const [name, word] of words) {
      expect(typeof word, name).toBe(typeof ENGLISH.get(name));
      if (typeof word === "function") expect(word.length, name).toBe((ENGLISH.get(name) as (...all: never[]) => string).length);
    }
    const alike = [...words].filter(([name, word]) => typeof word === "string" && word === ENGLISH.get(name));
    expect(alike.length / words.size).toBeLessThan(MOST_ALIKE);
  });
});

describe("the language", () => {
  it("is the one chosen, else the browser's first that there is, else English", () => {
    expect(languageFor("system", ["fr-FR", "de-AT", "en"])).toBe("de");
    expect(languageFor("es", ["de"])).toBe("es");
    expect(languageFor(undefined, ["fr"])).toBe("en");
    expect(languageFor("constructor", ["toString"])).toBe("en");
  });
});
