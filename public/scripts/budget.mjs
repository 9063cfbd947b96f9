// Fails the build when a part of the client outgrows what a phone should have to load.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const DIST = new URL("../dist/", import.meta.url);
const KB = 1000;

/** Kilobytes of gzipped JavaScript, each beyond what was loaded before it. */
const BUDGETS = [
  { name: "entry", source: "index.html", most: 75 },
  { name: "app", source: "src/app/App.tsx", most: 40 },
  { name: "chat", source: "src/chat/ChatScreen.tsx", most: 90 },
];

const manifest = JSON.parse(readFileSync(new URL("build.json", DIST), "utf8"));
const loaded = new Set();
let failed = false;

for (const { name, source, most } of BUDGETS) {
  const size = [...filesOf(source)].filter((file) => !loaded.has(file) && loaded.add(file)).reduce((sum, file) => sum + gzipped(file), 0);
  const over = size > most * KB;
  failed ||= over;
  console.log(`${over ? "OVER" : "ok  "} ${name.padEnd(6)} ${(size / KB).toFixed(1).padStart(6)} kB gzip of ${most}`);
}
process.exit(failed ? 1 : 0);

/** The chunk and everything it imports statically. */
function filesOf(key, files = new Set()) {
  const chunk = manifest[key];
  if (!chunk) throw new Error(`${key} is not in the build`);
  if (files.has(chunk.file)) return files;
  files.add(chunk.file);
  for (const imported of chunk.imports ?? []) filesOf(imported, files);
  return files;
}

function gzipped(file) {
  return gzipSync(readFileSync(new URL(file, DIST)), { level: 9 }).length;
}
