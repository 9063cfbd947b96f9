/** Whether what stands before the caret is a word that can be completed: a command at the beginning, or a file after "@". */

export interface Asked {
  /** Where the word begins in the field. */
  from: number;
  /** As far as it is typed, with its "/" or "@". */
  words: string;
}

export function askedAt(text: string, caret: number): Asked | null {
  const words = /(?:^\/|(?<!\S)@)\S*$/.exec(text.slice(0, caret))?.[0];
  return words === undefined ? null : { from: caret - words.length, words };
}
