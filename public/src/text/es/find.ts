/** Spanish words of the search in a terminal and of the list of its links. */

export default {
  search: "Buscar en el terminal",
  placeholder: "Buscar",
  none: "No se encontró nada",
  searched: (lines: number) => `Revisadas las ${lines.toLocaleString("es")} líneas que hay.`,
  count: (at: number, of: number) => `${at} de ${of}`,
  many: (of: number) => `más de ${of}`,
  older: "Resultado anterior",
  newer: "Resultado siguiente",
  links: "Enlaces del terminal",
  noLinks: "No hay ningún enlace en la salida del terminal.",
  newest: (count: number) => `Los ${count} enlaces más recientes`,
  open: (address: string) => `Abrir ${address}`,
  copy: (address: string) => `Copiar ${address}`,
};
