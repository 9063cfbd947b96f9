/** The size of a terminal: the master's window decides it, every other screen follows. */

export interface Size {
  cols: number;
  rows: number;
}

/** The workstation takes nothing smaller. */
export const SMALLEST: Size = { cols: 40, rows: 24 };
/** Nothing sensible is larger; a hostile or broken size must not eat the memory. */
export const LARGEST: Size = { cols: 500, rows: 300 };

export const FONT = { smallest: 6, standard: 14, largest: 32 } as const;

/** The size that the master asks for when its window has room for `room`. */
export function asked(room: Size): Size {
  return {
    cols: clamp(room.cols, SMALLEST.cols, LARGEST.cols),
    rows: clamp(room.rows, SMALLEST.rows, LARGEST.rows),
  };
}

/** A size told by the workstation, or nothing when it is not one. */
export function told(value: { cols?: unknown; rows?: unknown } | undefined): Size | undefined {
  const { cols, rows } = value ?? {};
  if (typeof cols !== "number" || typeof rows !== "number") return undefined;
  if (!Number.isInteger(cols) || !Number.isInteger(rows) || cols < 1 || rows < 1) return undefined;
  return { cols: Math.min(cols, LARGEST.cols), rows: Math.min(rows, LARGEST.rows) };
}

export function same(a: Size | undefined, b: Size | undefined): boolean {
  return a?.cols === b?.cols && a?.rows === b?.rows;
}

export function fontSize(wanted: number): number {
  return clamp(Math.round(wanted), FONT.smallest, FONT.largest);
}

/**
 * The font size at which `cols` columns fit into `width` pixels, never above the wanted one: a follower
 * sees the whole line of a wider master rather than half of it.
 */
export function fittingFont(wanted: number, cols: number, width: number, widthPerPoint: number): number {
  if (widthPerPoint <= 0 || width <= 0) return fontSize(wanted);
  const fitting = Math.floor((width / (cols * widthPerPoint)) * 2) / 2;
  return Math.max(FONT.smallest, Math.min(fontSize(wanted), fitting));
}

function clamp(value: number, low: number, high: number): number {
  return Number.isFinite(value) ? Math.min(high, Math.max(low, Math.floor(value))) : low;
}
