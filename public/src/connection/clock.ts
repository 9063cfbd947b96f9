/** Timers that a hidden page keeps: browsers slow those of the page itself down to one a minute. */

import type { Clock } from "./types";

export function pageClock(): Clock {
  const worker = startWorker();
  if (!worker) return plainClock();
  const waiting = new Map<number, () => void>();
  let last = 0;
  let broken = false;
  worker.onmessage = (event: MessageEvent<number>) => {
    const run = waiting.get(event.data);
    waiting.delete(event.data);
    run?.();
  };
  worker.onerror = () => {
    broken = true;
    for (const [id, run] of waiting) setTimeout(() => waiting.delete(id) && run(), 1_000);
  };
  return {
    now: () => Date.now(),
    after(milliseconds, run) {
      if (broken) return plainClock().after(milliseconds, run);
      const id = ++last;
      waiting.set(id, run);
      worker.postMessage([id, milliseconds]);
      return () => {
        if (waiting.delete(id)) worker.postMessage([id, -1]);
      };
    },
  };
}

export function plainClock(): Clock {
  return {
    now: () => Date.now(),
    after(milliseconds, run) {
      const timer = setTimeout(run, milliseconds);
      return () => clearTimeout(timer);
    },
  };
}

function startWorker(): Worker | null {
  try {
    return new Worker(new URL("./clockWorker.ts", import.meta.url), { type: "module" });
  } catch {
    return null;
  }
}
