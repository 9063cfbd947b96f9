/** The keys of the row and their order, which people may change. Pure. */

import type { Modifiers, RowKey } from "./keys";

export type RowItem = RowKey | keyof Modifiers | "copy" | "paste" | "snippets";

export const USUAL: readonly RowItem[] = [
  "escape", "tab", "shiftTab", "ctrl", "paste", "snippets", "interrupt", "up", "down", "left", "right", "copy", "alt", "escapeTwice",
  "slash", "dash", "pipe", "tilde", "backtick", "home", "end", "pageUp", "pageDown",
]; // prettier-ignore

/** The wished order; unknown names of other versions are left out, new keys come last. */
export function ordered(wished: unknown): RowItem[] {
  const names = Array.isArray(wished) ? (wished as RowItem[]) : [];
  const known = names.filter((name, at) => USUAL.includes(name) && names.indexOf(name) === at);
  return [...known, ...USUAL.filter((name) => !known.includes(name))];
}

/** The order with one key a place earlier (-1) or later (1). */
export function moved(order: readonly RowItem[], name: RowItem, by: -1 | 1): RowItem[] {
  const at = order.indexOf(name);
  const to = at + by;
  if (at < 0 || to < 0 || to >= order.length) return [...order];
  const next = [...order];
  [next[at], next[to]] = [next[to]!, next[at]!];
  return next;
}
