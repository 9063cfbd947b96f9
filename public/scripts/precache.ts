/** A Vite plugin: tells the service worker which files make up this build. */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const WORKER = "sw.js";
const PLACEHOLDER = "__PRECACHE__";
/** In the build, but no part of the running client, or a large part that few conversations need. */
const LEFT_OUT = /(^sw\.js|\.map|^build\.json|third-party\.txt|^assets\/math-.*\.js|\.png)$/;

export function precache(staticDir: string): Plugin {
  return {
    name: "tiflis-precache",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const worker = bundle[WORKER];
        if (worker?.type !== "chunk") throw new Error(`${WORKER} is missing from the build`);
        if (!worker.code.includes(PLACEHOLDER)) throw new Error(`${PLACEHOLDER} is missing from ${WORKER}`);
        const built = Object.values(bundle).map((part) => ({
          name: part.fileName,
          content: part.type === "chunk" ? part.code : part.source,
        }));
        const kept = filesBelow(staticDir).map((name) => ({ name, content: readFileSync(join(staticDir, name)) }));
        const files = [...built, ...kept].filter((file) => !LEFT_OUT.test(file.name));
        files.sort((a, b) => (a.name < b.name ? -1 : 1));
        const digest = createHash("sha256");
        for (const file of files) digest.update(file.name).update("\0").update(file.content);
        const list = { version: digest.digest("hex").slice(0, 12), files: files.map(address) };
        worker.code = worker.code.replaceAll(PLACEHOLDER, JSON.stringify(list));
      },
    },
  };
}

/** The page is kept under the address it is opened by: a redirected answer cannot be one to a navigation. */
function address(file: { name: string }): string {
  return file.name === "index.html" ? "" : file.name;
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replace(/^[\\/]+/, "").replaceAll("\\", "/"));
}
