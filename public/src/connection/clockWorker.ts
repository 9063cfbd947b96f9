/** The worker behind `clock.ts`: `[id, milliseconds]` starts a timer, `[id, -1]` ends it. */

const timers = new Map<number, ReturnType<typeof setTimeout>>();

self.onmessage = (event: MessageEvent<[number, number]>) => {
  const [id, milliseconds] = event.data;
  if (milliseconds < 0) {
    clearTimeout(timers.get(id));
    timers.delete(id);
    return;
  }
  const timer = setTimeout(() => {
    timers.delete(id);
    self.postMessage(id);
  }, milliseconds);
  timers.set(id, timer);
};
