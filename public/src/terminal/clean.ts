/**
 * What may be pasted or dropped into a terminal, whichever way it comes in: text, tabs and line ends. Every other control
 * character is left out, for it would be a key press: ESC begins commands to the program, 0x9b does so in one character.
 */

/* eslint-disable no-control-regex */
const SEQUENCES = /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]/g;
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Line ends become "\n". */
export function cleaned(text: string): string {
  return text.replace(/\r\n?|\u2028|\u2029/g, "\n").replace(SEQUENCES, "").replace(CONTROLS, "");
}

/** Text for the shell as a paste: line ends as Enter, bracketed where the program asked for it. No text can end the brackets. */
export function pasted(text: string, bracketed: boolean): string {
  const lines = cleaned(text).replaceAll("\n", "\r");
  return bracketed ? `\x1b[200~${lines}\x1b[201~` : lines;
}
