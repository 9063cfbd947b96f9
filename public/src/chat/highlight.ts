/** Colours for code. The highlighter's markup is read into plain data; no HTML is ever put into the page. */

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

export type Token = string | { className: string; children: Token[] };

const LANGUAGES = { bash, css, diff, go, java, javascript, json, python, rust, sql, typescript, xml, yaml };
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);
hljs.registerAliases(["sh", "shell", "zsh", "console"], { languageName: "bash" });
hljs.registerAliases(["tsx", "mts"], { languageName: "typescript" });
hljs.registerAliases(["jsx", "mjs", "cjs"], { languageName: "javascript" });

export function highlight(code: string, language: string): Token[] {
  const name = language.toLowerCase();
  if (!hljs.getLanguage(name)) return [code];
  return read(hljs.highlight(code, { language: name, ignoreIllegals: true }).value);
}

const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };

/** The markup knows only spans with a class, and five entities. */
function read(markup: string): Token[] {
  const root: Token[] = [];
  const open: Token[][] = [root];
  for (const [, start, end, words] of markup.matchAll(/<span class="([^"]*)">|(<\/span>)|([^<]+)/g)) {
    const here = open.at(-1)!;
    if (start !== undefined) {
      const children: Token[] = [];
      here.push({ className: start, children });
      open.push(children);
    } else if (end && open.length > 1) open.pop();
    else if (words) here.push(words.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => ENTITIES[entity]!));
  }
  return root;
}
