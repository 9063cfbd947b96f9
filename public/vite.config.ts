import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { version } from "./package.json";
import { brotli } from "./scripts/brotli.ts";
import { chunks } from "./scripts/chunks.ts";
import { firstPaint } from "./scripts/firstPaint.ts";
import { thirdParty } from "./scripts/thirdParty.ts";
import { trustedTypes } from "./scripts/policy.ts";
import { precache } from "./scripts/precache.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  base: "./",
  publicDir: "static",
  plugins: [react(), tailwindcss(), trustedTypes(), firstPaint(), thirdParty(here(".")), precache(here("static")), brotli()],
  define: { __VERSION__: JSON.stringify(version) },
  resolve: { alias: { "~": here("src") } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    manifest: "build.json",
    target: "es2022",
    // Inlined assets would be data: URLs, which the content policy grants to images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      input: { index: here("index.html"), sw: here("src/sw/sw.ts") },
      output: {
        codeSplitting: { groups: [chunks()] },
        // The service worker must keep its name and lie at the root, which is its scope.
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
  server: { proxy: { "/ws": { target: process.env.TUNNEL ?? "ws://127.0.0.1:3001", ws: true } } },
  // One thread for all files: a process per file costs nine times the processor time.
  test: { include: ["src/**/*.test.ts"], environment: "node", pool: "threads", isolate: false, fileParallelism: false },
} as Parameters<typeof defineConfig>[0]);
