/** Which tabs are alive: an unsent message belongs to the tab that took it, and is inherited when that tab is gone. */

import { newId } from "../protocol/ids";

const PREFIX = "tiflis-tab-";

/** Holds a lock for as long as the page lives; the browser lets go of it even after a crash. */
export function openTab(): string {
  const tab = newId("tab");
  void globalThis.navigator?.locks?.request(PREFIX + tab, () => new Promise(() => {})).catch(() => {});
  return tab;
}

/** Tabs that hold their lock; null where the browser cannot tell (then every message is up for inheritance). */
export async function livingTabs(): Promise<Set<string> | null> {
  if (!globalThis.navigator?.locks) return null;
  const { held = [] } = await navigator.locks.query();
  return new Set(held.flatMap(({ name }) => (name?.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : [])));
}
