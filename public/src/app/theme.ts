/** Puts the chosen theme and text size on the page. */

import type { Settings } from "~/store/state";

/** The page's ground, as in `theme.css`: the colour of the browser's bar around it. */
const GROUND = { light: "#faf9f6", dark: "#131416" };

export function applyAppearance({ theme, textSize }: Pick<Settings, "theme" | "textSize">): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  root.dataset.text = textSize;
  for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')) {
    const own = meta.media.includes("dark") ? "dark" : "light";
    meta.content = GROUND[theme === "system" ? own : theme];
  }
}
