/** Control characters, and the sequences that they begin: they mean something to a terminal, and to nothing else. */

/* eslint-disable no-control-regex */
const CONTROLS = /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|[\0-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Return `text` without them; tabs and line breaks stay. */
export const withoutControls = (text: string): string => text.replace(CONTROLS, "");
