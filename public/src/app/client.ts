/** The one client of this page, and the hook by which screens read its state. */

import { useStore } from "zustand";
import { makeClient } from "../store/make";
import type { State } from "../store/state";

export const client = makeClient();

export function useClient<Slice>(select: (state: State) => Slice): Slice {
  return useStore(client.store, select);
}
