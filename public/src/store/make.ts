/** Puts the client together: store, link, vault and outbox. */

import type { Client } from "./client";

export function makeClient(): Client {
  throw new Error("not yet");
}
