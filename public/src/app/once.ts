/** For a button that asks the workstation for something: pressed again before the answer it does nothing. */

import { useCallback, useRef, useState } from "react";

export function useOnce<Arguments extends unknown[]>(work: (...args: Arguments) => Promise<unknown>): { busy: boolean; run(...args: Arguments): void } {
  const [busy, setBusy] = useState(false);
  const under = useRef(false);
  const latest = useRef(work);
  latest.current = work;
  const run = useCallback((...args: Arguments) => {
    if (under.current) return;
    under.current = true;
    setBusy(true);
    const done = () => ((under.current = false), setBusy(false));
    void latest.current(...args).then(done, done);
  }, []);
  return { busy, run };
}
