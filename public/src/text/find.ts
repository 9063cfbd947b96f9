/** Words of the search in a terminal and of the list of its links. */

import { words } from "./words";

export const find = words("find", {
  search: "Search in the terminal",
  placeholder: "Search",
  none: "Nothing found",
  searched: (lines: number) => `Searched all ${lines.toLocaleString()} lines that are here.`,
  count: (at: number, of: number) => `${at} of ${of}`,
  many: (of: number) => `more than ${of}`,
  older: "Older match",
  newer: "Newer match",
  links: "Links in the terminal",
  noLinks: "There is no link in the terminal's output.",
  newest: (count: number) => `The newest ${count} links`,
  open: (address: string) => `Open ${address}`,
  copy: (address: string) => `Copy ${address}`,
});
