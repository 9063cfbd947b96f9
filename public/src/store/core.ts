/** What the parts of the client share: state, wire, vault, time. */

import type { StoreApi } from "zustand/vanilla";
import type { Requests } from "../connection/requests";
import type { Clock, Link } from "../connection/types";
import type { Outgoing } from "../protocol/messages";
import type { Vault } from "../vault/vault";
import type { ClientEvent } from "./client";
import type { ChatKey, State } from "./state";

export interface Core {
  readonly store: StoreApi<State>;
  readonly clock: Clock;
  readonly requests: Requests;
  readonly tab: string;
  readonly deviceId: string;
  vault: Vault;
  link: Link | null;
  /** The workstation has told its state since the last authentication; before that nothing is sent on. */
  synced: boolean;
  /** Chats whose last word came from this tab: their spoken answers are for these ears. */
  readonly asked: Set<ChatKey>;
  emit(event: ClientEvent): void;
  send(message: Outgoing): boolean;
}

export function update(core: Core, step: (state: State) => Partial<State>): void {
  core.store.setState(step);
}
