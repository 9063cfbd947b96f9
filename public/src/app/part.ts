/** Parts of the client that are loaded when they are needed, or before. */

import { lazy, type ComponentType, type LazyExoticComponent } from "react";

interface Module<Props> {
  default: ComponentType<Props>;
}

/** A component of a chunk of its own; `preload` fetches it ahead of its first use. */
export type Part<Props> = LazyExoticComponent<ComponentType<Props>> & { preload(): Promise<unknown> };

/** As React's `lazy`, but drawn at once when it is loaded already: React shows every fallback for 300 ms at least. */
export function part<Props>(load: () => Promise<Module<Props>>): Part<Props> {
  let loaded: Module<Props> | null = null;
  const preload = () => load().then((module) => (loaded = module));
  const known = { then: (done: (module: Module<Props> | null) => void) => done(loaded) };
  const Lazy = lazy(() => (loaded ? (known as unknown as Promise<Module<Props>>) : preload()));
  return Object.assign(Lazy, { preload });
}
