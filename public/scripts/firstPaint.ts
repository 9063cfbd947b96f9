/**
 * A Vite plugin: the built page asks for all parts that every first screen needs at once, not one after the
 * other has been read.
 */

import type { HtmlTagDescriptor, Plugin } from "vite";

/** Loaded by the entry before anything is drawn. */
const FIRST = "/src/app/App.tsx";

interface Part {
  type: string;
  fileName: string;
  facadeModuleId?: string | null;
  imports?: string[];
}

export function firstPaint(): Plugin {
  return {
    name: "tiflis-first-paint",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        if (!bundle) return [];
        const parts = bundle as unknown as Record<string, Part>;
        const first = Object.values(parts).find((part) => part.facadeModuleId?.endsWith(FIRST));
        if (!first) throw new Error(`${FIRST} is missing from the build`);
        return filesOf(first, parts).filter((file) => !html.includes(file)).map(preload);
      },
    },
  };
}

function filesOf(part: Part, parts: Record<string, Part>, found = new Set<string>()): string[] {
  found.add(part.fileName);
  for (const name of part.imports ?? []) if (!found.has(name) && parts[name]) filesOf(parts[name], parts, found);
  return [...found];
}

function preload(file: string): HtmlTagDescriptor {
  return { tag: "link", attrs: { rel: "modulepreload", crossorigin: true, href: `./${file}` }, injectTo: "head" };
}
