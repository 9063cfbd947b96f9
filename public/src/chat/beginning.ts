/** The first words of a text, to tell one button for it from the next. */

const MOST = 60;

export function beginning(text: string): string {
  const words = text.slice(0, 4 * MOST).replace(/\s+/g, " ").trim();
  return words.length > MOST ? `${words.slice(0, MOST).trimEnd()}…` : words;
}
