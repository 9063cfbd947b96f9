/** Where a screen was scrolled when it was left: there it stands again when one comes back. */

import { useCallback } from "react";

const kept = new Map<string, number>();

/** Return the `ref` of an element that scrolls; `name` tells it from others. */
export function useKeptScroll(name: string): (element: HTMLElement | null) => void {
  return useCallback(
    (element) => {
      if (!element) return;
      element.scrollTop = kept.get(name) ?? 0;
      const remember = (): void => void kept.set(name, element.scrollTop);
      element.addEventListener("scroll", remember, { passive: true });
      return () => element.removeEventListener("scroll", remember);
    },
    [name],
  );
}
