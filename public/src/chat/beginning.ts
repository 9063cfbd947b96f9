/** The first words of a text, to tell one button for it from the next. */

import { withoutControls } from "~/protocol/controls";

const MOST = 60;

export function beginning(text: string): string {
  const words = withoutControls(text.slice(0, 4 * MOST)).replace(/\s+/g, " ").trim();
  return words.length > MOST ? `${words.slice(0, MOST).trimEnd()}…` : words;
}
