/** Which screen stands first, known before any other part is loaded. Used by the page's head script: no imports that stay. */

import type { Settings } from "../store/state";

/** Room for a side bar beside the conversation. */
export const WIDE = "(min-width: 50rem)";

/** `welcome`: no workstation is paired; `pair`: a link is to be read beside those there are. */
export type FirstScreen = "welcome" | "pair" | "chat" | "list";

export function firstScreen(): FirstScreen {
  if (!paired()) return "welcome";
  if (/data=|^#\/pair/.test(location.hash)) return "pair";
  return matchMedia(WIDE).matches || location.hash.startsWith("#/s/") ? "chat" : "list";
}

function paired(): boolean {
  try {
    return localStorage.getItem("tiflis.current") !== null;
  } catch {
    return false;
  }
}

/** The settings as they were kept; empty where there is no storage, or no choice was made yet. */
export function keptSettings(): Partial<Settings> {
  try {
    return JSON.parse(localStorage.getItem("tiflis.settings") ?? "{}") as Partial<Settings>;
  } catch {
    return {};
  }
}

export const appearanceOf = ({ theme = "system", textSize = "normal" }: Partial<Settings>) => ({ theme, textSize });
