/** What a reader opened or closed in a message: it is still so when the message has left the page and comes back. */

import { useState } from "react";
import { useMessage } from "./message";

/** The oldest are forgotten beyond this. */
const MOST = 500;
const chosen = new Map<string, boolean>();

/** As `useState`, for the part of this message that goes by `name`. */
export function useRemembered(name: string): [boolean | null, (value: boolean) => void] {
  const key = `${useMessage().key} ${name}`;
  const [now, setNow] = useState<boolean | null>(() => chosen.get(key) ?? null);
  const choose = (value: boolean): void => {
    chosen.delete(key);
    chosen.set(key, value);
    if (chosen.size > MOST) chosen.delete(chosen.keys().next().value!);
    setNow(value);
  };
  return [now, choose];
}
