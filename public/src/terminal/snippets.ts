/** Snippets as they are kept. Pure. */

export interface Snippet {
  text: string;
  /** Enter is pressed after it. */
  enter: boolean;
}

export const SNIPPETS_MOST = 50;
/** Characters of one. */
export const LENGTH_MOST = 1_000;

/** The ones that can be read, of whatever stands in the settings. */
export function known(kept: unknown): Snippet[] {
  if (!Array.isArray(kept)) return [];
  const all = kept.filter((each): each is Snippet => typeof (each as Snippet | null)?.text === "string");
  return all.slice(0, SNIPPETS_MOST).map(({ text, enter }) => ({ text: text.slice(0, LENGTH_MOST), enter: enter === true }));
}
