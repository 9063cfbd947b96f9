/** Ctrl and Alt of the key row: a tap holds one for the next key, a double tap until it is tapped again. Pure. */

import type { Modifiers } from "./keys";

/** Milliseconds between the two taps of a double tap. */
export const DOUBLE_TAP = 400;

export type Hold = "off" | "once" | "locked";
export type Sticky = Readonly<Record<keyof Modifiers, { hold: Hold; tappedAt: number }>>;

export const NOTHING_HELD: Sticky = { ctrl: { hold: "off", tappedAt: 0 }, alt: { hold: "off", tappedAt: 0 } };

export function tapped(sticky: Sticky, key: keyof Modifiers, now: number): Sticky {
  const { hold, tappedAt } = sticky[key];
  const next = hold === "off" ? "once" : hold === "once" && now - tappedAt < DOUBLE_TAP ? "locked" : "off";
  return { ...sticky, [key]: { hold: next, tappedAt: now } };
}

/** After a key: what was held for one key is let go. */
export function used(sticky: Sticky): Sticky {
  const after = (key: keyof Modifiers) => (sticky[key].hold === "once" ? NOTHING_HELD[key] : sticky[key]);
  return sticky.ctrl.hold === "once" || sticky.alt.hold === "once" ? { ctrl: after("ctrl"), alt: after("alt") } : sticky;
}

export function held(sticky: Sticky): Modifiers {
  return { ctrl: sticky.ctrl.hold !== "off", alt: sticky.alt.hold !== "off" };
}
