/** Copying, with a word on how it went; also without https, where the browser offers only the old way. */

import { useEffect, useState } from "react";
import { common } from "~/text/common";
import { client } from "./client";

/** For an action that goes away when it is chosen, as in a menu: a notice says how it went. */
export async function copyText(text: string): Promise<void> {
  if (await copied(text)) client.notice("info", common.copied);
}

/** For a button that stays: it says itself that it has copied, for a moment. */
export function useCopy(): { done: boolean; copy(text: string): void } {
  const [at, setAt] = useState(0);
  useEffect(() => {
    if (at === 0) return;
    const timer = setTimeout(() => setAt(0), SAID_FOR);
    return () => clearTimeout(timer);
  }, [at]);
  return { done: at > 0, copy: (text) => void copied(text).then((done) => done && setAt((before) => before + 1)) };
}

/** Milliseconds. */
const SAID_FOR = 2_000;

async function copied(text: string): Promise<boolean> {
  const done = (await modern(text)) || legacy(text);
  if (!done) client.notice("error", common.copyFailed);
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
