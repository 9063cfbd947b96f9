/** The clipboard's text, as far as the browser lets a page at it. */

/** Undefined where the browser keeps the clipboard to itself (no https, refused). */
export async function readClipboard(): Promise<string | undefined> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    return undefined;
  }
}
