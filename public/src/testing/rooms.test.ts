/** Which folder may import which: the table of the README, held against the sources. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const SRC = new URL("../", import.meta.url);
const README = readFileSync(new URL("../README.md", SRC), "utf8");
/** Packages that folders below the screens may use; React is not among them. */
const PACKAGES: Record<string, string[]> = { store: ["zustand/vanilla"], ui: ["react", "react-dom"] };

/** Folder by folder the last column of the README's table. */
const TABLE = new Map(
  [...README.matchAll(/^\| (`src\/[^|]+) \|[^|]*\| ([^|]+) \|$/gm)].flatMap(([, folders, may]) =>
    [...folders!.matchAll(/`(?:src\/)?(\w+)`/g)].map(([, folder]): [string, string] => [folder!, may!.trim()]),
  ),
);

interface Import {
  file: string;
  from: string;
  onlyTypes: boolean;
}

function importsOf(folder: string): Import[] {
  const names = readdirSync(new URL(`${folder}/`, SRC), { recursive: true }) as string[];
  return names
    .filter((name) => /\.tsx?$/.test(name) && !name.includes(".test."))
    .flatMap((name) => {
      const source = readFileSync(new URL(`${folder}/${name}`, SRC), "utf8");
      const found = source.matchAll(/^(?:import|export)( type)?\b[^;]*? from "([^"]+)"|\bimport\("([^"]+)"\)|^import "([^"]+)"/gm);
      return [...found].map(([, type, from, lazy, bare]) => ({ file: `${folder}/${name}`, from: from ?? lazy ?? bare!, onlyTypes: type !== undefined }));
    });
}

/** The folder that an import leads to; undefined: a package. */
function folderOf({ file, from }: Import): string | undefined {
  const path = from.startsWith("~/") ? from.slice(2) : from.startsWith(".") ? new URL(from, `file:///${file}`).pathname.slice(1) : undefined;
  return path?.split("/")[0];
}

function allowed(folder: string, may: string, each: Import): boolean {
  const target = folderOf(each);
  if (may === "all" || target === folder) return true;
  if (target === undefined) return PACKAGES[folder]?.includes(each.from) ?? false;
  return may === "types of all" ? each.onlyTypes : may.split(", ").includes(target);
}

describe("the folders of the client", () => {
  it("all stand in the README's table", () => {
    const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect([...TABLE.keys()].sort()).toEqual(folders.map((entry) => entry.name).sort());
  });

  it.each([...TABLE])("%s imports only: %s", (folder, may) => {
    const wrong = importsOf(folder).filter((each) => !allowed(folder, may, each));
    expect(wrong.map(({ file, from }) => `${file} imports ${from}`)).toEqual([]);
  });
});
