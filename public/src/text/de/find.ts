/** German words of the search in a terminal and of the list of its links. */

export default {
  search: "Im Terminal suchen",
  placeholder: "Suchen",
  none: "Nichts gefunden",
  searched: (lines: number) => `Alle ${lines.toLocaleString("de")} vorhandenen Zeilen durchsucht.`,
  count: (at: number, of: number) => `${at} von ${of}`,
  many: (of: number) => `mehr als ${of}`,
  older: "Älterer Treffer",
  newer: "Neuerer Treffer",
  links: "Links im Terminal",
  noLinks: "In der Ausgabe des Terminals steht kein Link.",
  newest: (count: number) => `Die neuesten ${count} Links`,
  open: (address: string) => `${address} öffnen`,
  copy: (address: string) => `${address} kopieren`,
};
