/** Notices that the page, the machine or the network came back, or that the network went. */

const LOOK_EVERY = 5_000;
/** A look that comes this late means that the machine slept. */
const SLEPT = 15_000;

/** `hidden`: the page is out of sight from now on. */
export function onWake(run: () => void, hidden: () => void): void {
  const visible = () => document.visibilityState === "visible" && run();
  window.addEventListener("online", run);
  // Gone as well: a socket without a network looks alive until it is asked.
  window.addEventListener("offline", run);
  window.addEventListener("pageshow", run);
  document.addEventListener("visibilitychange", visible);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && hidden());
  let last = Date.now();
  setInterval(() => {
    const slept = Date.now() - last > SLEPT;
    last = Date.now();
    if (slept) run();
  }, LOOK_EVERY);
}
