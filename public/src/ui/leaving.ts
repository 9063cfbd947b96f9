/** When a menu or a card that is open is left. */

/** Call `run` when something beside `root` is pressed or gets the focus, as a sheet that opens above. Return the way to stop. */
export function onLeaving(root: HTMLElement | null, run: () => void): () => void {
  const left = (event: Event) => !root?.contains(event.target as Node) && run();
  const types = ["pointerdown", "focusin"];
  types.forEach((type) => document.addEventListener(type, left));
  return () => types.forEach((type) => document.removeEventListener(type, left));
}
