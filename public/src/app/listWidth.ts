/** How wide the list beside the conversation is, and whether it is folded away. */

import type { CSSProperties } from "react";
import { flushSync } from "react-dom";
import { SETTINGS } from "~/store/initial";
import { client } from "./client";

/** Pixels. */
export const LEAST = 224;
export const MOST = 480;

export const within = (width: number): number => (Number.isFinite(width) ? Math.round(Math.min(MOST, Math.max(LEAST, width))) : SETTINGS.sidebarWidth);

/** The list's width for what lies in this element; in a narrow window the conversation keeps the larger part. */
export const widthOf = (width: number): CSSProperties => ({ "--sidebar": `min(${within(width)}px, 45vw)` }) as CSSProperties;

export function fold(folded: boolean): void {
  // Drawn at once: the focus has a place to go to before it counts as lost.
  flushSync(() => client.set({ sidebarFolded: folded }));
  if (document.activeElement === document.body) document.getElementById(folded ? "main" : "sidebar-width")?.focus();
}
