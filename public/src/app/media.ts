/** What the window is like, as hooks. */

import { useEffect, useState, useSyncExternalStore } from "react";
import { WIDE } from "./firstScreen";

export const useWide = (): boolean => useMedia(WIDE);

export function useMedia(wanted: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = matchMedia(wanted);
      query.addEventListener("change", changed);
      return () => query.removeEventListener("change", changed);
    },
    () => matchMedia(wanted).matches,
  );
}

/**
 * Where a keyboard covers the page instead of shrinking it, page and sheets are given the part that is left:
 * its height, where the browser has moved it to, and how much of the bottom is covered.
 */
export function followKeyboard(): () => void {
  const view = window.visualViewport;
  if (!view) return () => {};
  const { style } = document.documentElement;
  const fit = () => {
    // Pinched to zoom: the reader looks at a part of the page, which stays as it is.
    const covered = Math.abs(view.scale - 1) < 0.01 && window.innerHeight - view.height > LEAST_KEYBOARD;
    const sizes = { "--app-height": view.height, "--app-top": view.offsetTop, "--keyboard": window.innerHeight - view.height - view.offsetTop };
    for (const [name, size] of Object.entries(sizes)) {
      if (covered) style.setProperty(name, `${Math.max(0, size)}px`);
      else style.removeProperty(name);
    }
    // What is typed into may stand below the fold that the keyboard has made; a terminal scrolls by itself.
    if (covered) document.activeElement?.closest(":not(.xterm *):is(input, textarea)")?.scrollIntoView({ block: "nearest" });
  };
  const changes = ["resize", "scroll"] as const;
  changes.forEach((change) => view.addEventListener(change, fit));
  return () => changes.forEach((change) => view.removeEventListener(change, fit));
}

/** Pixels; what browsers' own bars take is less. */
const LEAST_KEYBOARD = 80;

export function usePageVisible(): boolean {
  return useSyncExternalStore(
    (changed) => {
      document.addEventListener("visibilitychange", changed);
      return () => document.removeEventListener("visibilitychange", changed);
    },
    () => document.visibilityState === "visible",
  );
}

/** The present, anew every so many milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
