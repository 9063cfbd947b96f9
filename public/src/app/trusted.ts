/**
 * The one place that may hand the browser a script by its address, now that the page asks for Trusted
 * Types: the client's own built files, nothing else. Markup and script from text are refused everywhere.
 */

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string | null }): unknown;
}

const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;

types?.createPolicy("default", { createScriptURL: (url) => (isOurs(url) ? url : null) });

/** `sw.js` and the files below `assets/`, which carry their content in their names. */
function isOurs(url: string): boolean {
  const address = new URL(url, document.baseURI);
  const own = new URL(".", document.baseURI);
  const name = address.pathname.slice(own.pathname.length);
  return address.origin === own.origin && /^(sw|assets\/[\w.-]+)\.js$/.test(name);
}
