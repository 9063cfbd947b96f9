/** Where the keyboard and a screen reader stand after the screen has changed. */

import { useEffect, useRef } from "react";
import { addressOf, type Route } from "./route";

/**
 * Move the focus to the new screen when the old one took it along: into the screen, or on the way back to
 * the row of the list that led away. `left` is the session shown last.
 */
export function useRouteFocus(route: Route, wide: boolean, left: Route): void {
  const address = addressOf(route);
  const before = useRef(address);
  useEffect(() => {
    if (before.current === address) return;
    before.current = address;
    const held = document.activeElement;
    if (held && held !== document.body) return;
    const row = wide || route.name !== "home" ? null : document.querySelector<HTMLElement>(`a[href="${CSS.escape(addressOf(left))}"]`);
    (row ?? document.getElementById("main"))?.focus({ preventScroll: row === null });
  });
}

const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled), textarea:not(:disabled), select:not(:disabled), summary, [tabindex='0']";
const WRITTEN_IN = "textarea, input:not([type=radio], [type=checkbox])";

/** An element around the one that had the focus, and the others in there that could have had it and stand before. */
interface Place {
  around: Element;
  before: HTMLElement[];
}

/**
 * Give the focus to what stands where the focused element stood when that is removed or disabled: its neighbour in the
 * list, else the nearest around it. Without this a screen reader starts at the top of the page. Return the way to stop.
 */
export function keepFocus(): () => void {
  const lost = ({ target, relatedTarget }: FocusEvent): void => {
    if (relatedTarget !== null || !(target instanceof HTMLElement)) return;
    const places = placesOf(target);
    const name = target.ariaLabel;
    requestAnimationFrame(() => {
      const free = document.activeElement === null || document.activeElement === document.body;
      if (free && (!target.isConnected || target.matches(":disabled"))) successor(places, name)?.focus({ preventScroll: true });
    });
  };
  document.addEventListener("focusout", lost, true);
  return () => document.removeEventListener("focusout", lost, true);
}

function placesOf(target: Element): Place[] {
  const places: Place[] = [];
  for (let around = target.parentElement; around && around.id !== "root"; around = around.parentElement) {
    const before = focusable(around).filter((each) => each.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING && !each.contains(target));
    places.push({ around, before });
    if (around.matches("dialog, #main")) break;
  }
  return places;
}

/** The next of the same name, as in the next row of a list, or the next. No field on a touch device: its keyboard would open. */
function successor(places: Place[], name: string | null): HTMLElement | null {
  const touch = matchMedia("(pointer: coarse)").matches;
  for (const { around, before } of places) {
    const here = around.isConnected ? focusable(around).filter((each) => !(touch && each.matches(WRITTEN_IN))) : [];
    const left = before.filter((each) => here.includes(each)).length;
    const next = here.find((each, at) => at >= left && name !== null && each.ariaLabel === name) ?? here[left] ?? here.at(-1);
    if (next) return next;
  }
  return document.querySelector<HTMLElement>("dialog:modal h2") ?? document.getElementById("main");
}

const focusable = (around: Element): HTMLElement[] => [...around.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((each) => each.checkVisibility());
