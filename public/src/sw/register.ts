/** Installs the service worker and tells when another version of the client is ready. */

/** Milliseconds between two looks for a newer version; the browser itself looks at each navigation. */
const LOOK_EVERY = 60 * 60_000;

/**
 * Registers the worker once the page is at rest. `onUpdate` is called when a newer version has been
 * installed under this page. The page is never reloaded from here, so it can never loop.
 */
export function registerWorker(onUpdate: () => void): void {
  if (!("serviceWorker" in navigator) || !window.isSecureContext || import.meta.env.DEV) return;
  const begin = (): void => void register(onUpdate);
  if (document.readyState === "complete") begin();
  else window.addEventListener("load", begin, { once: true });
}

async function register(onUpdate: () => void): Promise<void> {
  const workers = navigator.serviceWorker;
  // The first worker that takes the page over brings the version that the page already is.
  let first = workers.controller === null;
  workers.addEventListener("controllerchange", () => {
    if (!first) onUpdate();
    first = false;
  });
  try {
    const registration = await workers.register(new URL("sw.js", document.baseURI).href);
    // A browser that forbids workers quietly gives none.
    window.setInterval(() => void registration?.update().catch(() => undefined), LOOK_EVERY);
  } catch {
    // Private windows and some policies forbid workers: the client works without, only not offline.
  }
}
