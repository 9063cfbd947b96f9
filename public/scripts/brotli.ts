/**
 * A Vite plugin: writes a brotli twin beside each built text file, which the server sends to browsers that
 * take it. Only below `assets/`, where a name stands for its content: a twin of a file that somebody edits
 * later would be sent in its place.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import type { Plugin } from "vite";

const TEXT = /^assets\/.+\.(js|css|txt)$/;
/** Bytes below which a packet is a packet. */
const FROM = 1024;

export function brotli(): Plugin {
  return {
    name: "tiflis-brotli",
    apply: "build",
    enforce: "post",
    writeBundle(options, bundle) {
      for (const name of Object.keys(bundle).filter((each) => TEXT.test(each))) {
        const path = join(options.dir!, name);
        const body = readFileSync(path);
        if (body.length >= FROM) writeFileSync(`${path}.br`, compressed(body));
      }
    },
  };
}

function compressed(body: Buffer): Buffer {
  return brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } });
}
