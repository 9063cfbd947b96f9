/** Puts the chosen theme and text size on the page. */

import type { Settings } from "~/store/state";

export function applyAppearance({ theme, textSize }: Pick<Settings, "theme" | "textSize">): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  root.dataset.text = textSize;
  const colour = getComputedStyle(root).getPropertyValue("--bg");
  if (theme !== "system") document.querySelectorAll('meta[name="theme-color"]').forEach((meta) => meta.setAttribute("content", colour));
}
