/** Small things kept in the clear: settings, drafts, the last list of sessions, this device's name for itself. */

import { newId } from "../protocol/ids";

const PREFIX = "tiflis.";

export function recall<Value>(name: string, otherwise: Value): Value {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : (JSON.parse(text) as Value);
  } catch {
    return otherwise;
  }
}

/** Storage may be full or forbidden; the page goes on without. */
export function remember(name: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Nothing that the user could do about it.
  }
}

/** Call back when another tab of this browser has changed something: with its name and JSON texts, null for nothing. Return the way to stop. */
export function onChange(run: (name: string, before: string | null, now: string | null) => void): () => void {
  const changed = (event: StorageEvent): void => {
    if (event.key?.startsWith(PREFIX)) run(event.key.slice(PREFIX.length), event.oldValue, event.newValue);
  };
  globalThis.addEventListener?.("storage", changed);
  return () => globalThis.removeEventListener("storage", changed);
}

/** The same for all tabs of this browser, so that the workstation counts them as one device. */
export function deviceId(): string {
  const known = recall<unknown>("device", null);
  if (typeof known === "string" && known) return known;
  const made = newId("web");
  remember("device", made);
  return made;
}

/** Everything remembered under names that begin with `prefix`, by the rest of the name. */
export function recallAll<Value>(prefix: string): Map<string, Value> {
  const found = names(prefix).map((name) => [name.slice(prefix.length), recall<Value | null>(name, null)] as [string, Value | null]);
  return new Map(found.filter((each): each is [string, Value & {}] => each[1] !== null));
}

export function forgetAll(prefix: string): void {
  for (const name of names(prefix)) remember(name, undefined);
}

function names(prefix: string): string[] {
  try {
    const keys = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? "");
    return keys.filter((key) => key.startsWith(PREFIX + prefix)).map((key) => key.slice(PREFIX.length));
  } catch {
    return [];
  }
}
