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
  const done = await toClipboard(text);
  if (!done) client.notice("error", common.copyFailed);
  return done;
}

/** Return whether the text is in the clipboard now. */
export async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return bySelection(text);
  }
}

/** The old way, which needs neither https nor permission; focus and selection are as they were afterwards. */
function bySelection(text: string): boolean {
  const focused = document.activeElement;
  const selection = window.getSelection();
  const ranges = Array.from({ length: selection?.rangeCount ?? 0 }, (_, at) => selection!.getRangeAt(at));
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.style.cssText = "position:fixed;opacity:0";
  ([...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body).append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    if (ranges.length > 0) selection?.removeAllRanges();
    for (const range of ranges) selection?.addRange(range);
  }
}
