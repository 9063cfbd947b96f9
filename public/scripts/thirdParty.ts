/** A Vite plugin: `third-party.txt` in the build holds the licence of each package that is built in. */

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const FILE = "third-party.txt";
/** Of a module's path, the folder of its package: the last one, where packages lie in packages. */
const PACKAGE = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/;
const LICENCE = /^(licen[cs]e|copying|notice)/i;

export function thirdParty(root: string): Plugin {
  return {
    name: "tiflis-third-party",
    apply: "build",
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((part) => (part.type === "chunk" ? part.moduleIds : []));
      const folders = modules.flatMap((id) => PACKAGE.exec(id.replace(/^\0/, ""))?.[1] ?? []);
      // Its styles are built in by a plugin of its own and stand in no chunk.
      folders.push(join(root, "node_modules", "tailwindcss"));
      this.emitFile({ type: "asset", fileName: FILE, source: [...new Set(folders)].map(notice).sort().join("\n") });
    },
  };
}

function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => LICENCE.test(file)) : [];
  const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
  return `${name} ${version}\nLicence: ${license ?? "see below"}\n\n${texts.join("\n\n")}\n\n${"-".repeat(78)}\n`;
}
