/**
 * A Vite plugin for the first paint: the page shows the first words before any script of the client has come,
 * and all parts of the first screen are asked for at once, not one after the other has been read.
 *
 * Parts that every first screen needs stand in the page; those of one screen or one language are given to the
 * head script (`src/first.ts`), which knows which.
 */

import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";
import { pairing } from "../src/text/pairing.ts";
import german from "../src/text/de.ts";
import spanish from "../src/text/es.ts";

/** Loaded by the entry before anything is drawn. */
const APP = ["/src/app/App.tsx"];
const PAIR = ["/src/pairing/PairScreen.tsx"];
const CHAT = ["/src/chat/ChatScreen.tsx", "/src/chat/Markdown.tsx"];
const SCREENS = { welcome: PAIR, pair: PAIR, chat: CHAT, de: ["/src/text/de.ts"], es: ["/src/text/es.ts"] };

const HEAD_SCRIPT = fileURLToPath(new URL("../src/first.ts", import.meta.url));
/** In the page: where the head script goes. */
const PLACE = "<!-- first -->";

interface Part {
  fileName: string;
  facadeModuleId?: string | null;
  imports?: string[];
}

export function firstPaint(): Plugin {
  return {
    name: "tiflis-first-paint",
    transformIndexHtml: {
      order: "post",
      async handler(page, { bundle }) {
        const html = page.replace(/%(welcome|lead|start)%/g, (_, name: Word) => inAllLanguages(name));
        return bundle ? withParts(html, bundle as unknown as Record<string, Part>, await headScript()) : html;
      },
    },
  };
}

/** What is drawn first is asked for first: the style before the parts of the client. */
function withParts(html: string, parts: Record<string, Part>, script: string): string {
  const app = filesOf(APP, parts);
  const missing = (files: string[]) => files.filter((file) => !html.includes(file));
  const data = Object.entries(SCREENS).map(([name, modules]) => {
    const files = missing(filesOf(modules, parts)).filter((file) => !app.includes(file));
    return ` data-${name}="${files.map(address).join(" ")}"`;
  });
  const [style = ""] = /<link rel="stylesheet"[^>]*>/.exec(html) ?? [];
  const early = style.replace('rel="stylesheet"', 'rel="preload" as="style"');
  const first = `${early}\n    <script${data.join("")}>${script}</script>\n    ${style}`;
  const preloads = missing(app).map((file) => `<link rel="modulepreload" crossorigin href="${address(file)}">`);
  return html.replace(style, preloads.join("\n    ")).replace(PLACE, () => first);
}

/** One script without imports: it stands in the page, which the server allows by its hash. */
async function headScript(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: { write: false, modulePreload: false, rolldownOptions: { input: HEAD_SCRIPT, output: { format: "iife" } } },
  });
  const [output] = [built].flat();
  if (!output || !("output" in output) || output.output.length !== 1) throw new Error(`${HEAD_SCRIPT} is more than one file`);
  return output.output[0].code.trim();
}

type Word = "welcome" | "lead" | "start";

/** The page's style shows the one of its `lang`. */
function inAllLanguages(name: Word): string {
  const said = { en: pairing, de: german.pairing, es: spanish.pairing };
  return Object.entries(said).map(([language, words]) => `<span lang="${language}">${words[name]}</span>`).join("");
}

/** The files of these modules' chunks, and of all that they import. */
function filesOf(modules: string[], parts: Record<string, Part>): string[] {
  const found = new Set<string>();
  const take = (part: Part): void => {
    found.add(part.fileName);
    for (const name of part.imports ?? []) if (!found.has(name) && parts[name]) take(parts[name]);
  };
  for (const module of modules) {
    const part = Object.values(parts).find((each) => each.facadeModuleId?.endsWith(module));
    if (!part) throw new Error(`${module} is missing from the build`);
    take(part);
  }
  return [...found];
}

const address = (file: string): string => `./${file}`;
