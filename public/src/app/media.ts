/** What the window is like, as hooks. */

import { useEffect, useState, useSyncExternalStore } from "react";

/** Room for a side bar beside the conversation. */
const WIDE = "(min-width: 50rem)";

export function useWide(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = matchMedia(WIDE);
      query.addEventListener("change", changed);
      return () => query.removeEventListener("change", changed);
    },
    () => matchMedia(WIDE).matches,
  );
}

/** Where a keyboard covers the page instead of shrinking it, the page is given the height that is left. */
export function followKeyboard(): () => void {
  const view = window.visualViewport;
  if (!view) return () => {};
  const fit = () => {
    // Pinched to zoom: the reader looks at a part of the page, which stays as it is.
    const covered = view.scale === 1 && window.innerHeight - view.height > 80;
    if (covered) document.documentElement.style.setProperty("--app-height", `${view.height}px`);
    else document.documentElement.style.removeProperty("--app-height");
    if (covered && view.offsetTop > 0) window.scrollTo(0, 0);
  };
  view.addEventListener("resize", fit);
  return () => view.removeEventListener("resize", fit);
}

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
