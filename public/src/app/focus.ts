/** Where the keyboard and a screen reader stand after the screen has changed. */

import { useEffect, useRef } from "react";
import { addressOf, type Route } from "./route";

/**
 * Move the focus to the new screen when the old one took it along: into the screen, or on the way back to
 * the row of the list that led away. `left` is the session shown last.
 */
export function useRouteFocus(route: Route, wide: boolean, left: Route): void {
  const address = addressOf(route);
  const before = useRef(address);
  useEffect(() => {
    if (before.current === address) return;
    before.current = address;
    const held = document.activeElement;
    if (held && held !== document.body) return;
    const row = wide || route.name !== "home" ? null : document.querySelector<HTMLElement>(`a[href="${CSS.escape(addressOf(left))}"]`);
    (row ?? document.getElementById("main"))?.focus({ preventScroll: row === null });
  });
}
