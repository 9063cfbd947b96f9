/** Names that are written from right to left, within sentences that are not. */

/** Letters of such scripts, and marks that turn what stands around them. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;

/** Return `text` set by itself (FSI … PDI), so that it moves no word or punctuation around it; most texts stay as they are. */
export function isolated(text: string): string {
  return TURNS.test(text) ? `\u2068${text.replace(MARKS, "")}\u2069` : text;
}

/** Return `words` with each text that it is given set by itself. */
export function isolating<Word>(words: Word): Word {
  if (typeof words !== "function") return words;
  return new Proxy(words, {
    apply: (make, _, given: unknown[]) => Reflect.apply(make as (...all: unknown[]) => unknown, undefined, given.map((each) => (typeof each === "string" ? isolated(each) : each))) as unknown,
  });
}
