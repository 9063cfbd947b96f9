/** Learns what this device's key lets it do, and keeps it in the state. */

import type { Fields } from "../protocol/fields";
import { record } from "../protocol/fields";
import { isDeviceKey } from "../protocol/pairing";
import type { Core } from "./core";
import { readScope } from "./scope";

export class Scopes {
  constructor(
    private readonly core: Core,
    private readonly ask: () => Promise<Fields>,
    private readonly key: () => string | undefined,
  ) {}

  /** Ask the server; where it cannot be asked, what was known stays. What is not known is allowed: the server refuses what it must. */
  async learn(): Promise<void> {
    const { current } = this.core.store.getState();
    if (!isDeviceKey(this.key() ?? "")) return;
    const answer = await this.ask().catch(() => null);
    if (this.core.store.getState().current !== current) return;
    this.core.store.setState(({ scope }) => ({ scope: answer ? readScope(record(answer.you).scope) : (scope ?? "full") }));
  }
}
