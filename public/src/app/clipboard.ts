/** Copying, with a word on how it went; also without https, where the browser offers only the old way. */

import { common } from "~/text/common";
import { client } from "./client";

export async function copyText(text: string): Promise<boolean> {
  const done = (await modern(text)) || legacy(text);
  client.notice(done ? "info" : "error", done ? common.copied : common.copyFailed);
  return done;
}

async function modern(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function legacy(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.cssText = "position:fixed;opacity:0";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
