/** How words are compared in every search: without regard to case, accents and line breaks. Pure. */

/** Return `text` in lower case, without accents, with one space for all space between two words. */
export function comparable(text: string): string {
  const plain = text.replace(/\s+/g, " ");
  // eslint-disable-next-line no-control-regex
  return (/^[\0-\x7f]*$/.test(plain) ? plain : plain.normalize("NFD").replace(ACCENTS, "")).toLowerCase();
}

const ACCENTS = /[\u0300-\u036f]/g;

/** Whether every one of the words, comparable and divided by spaces, stands somewhere in the text. */
export function fits(text: string, words: string): boolean {
  const all = comparable(text);
  return words.split(" ").every((word) => all.includes(word));
}
