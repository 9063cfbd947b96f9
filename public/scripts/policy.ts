/**
 * A Vite plugin: the built page asks for Trusted Types (see `src/app/trusted.ts`). In the page and not in
 * the server's headers, because the server may show another client that knows nothing of them; and only
 * in the build, because the development server writes markup of its own.
 */

import type { Plugin } from "vite";

const POLICY = "require-trusted-types-for 'script'; trusted-types default";

export function trustedTypes(): Plugin {
  return {
    name: "tiflis-trusted-types",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
    ],
  };
}
