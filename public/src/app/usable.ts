/** Whether the workstation answers at the moment: what is asked of it now has a chance. */

import type { Phase } from "~/store/state";
import { useClient } from "./client";

const USABLE = new Set<Phase>(["authenticated", "verified", "degraded"]);

export function useUsable(): boolean {
  return useClient((state) => USABLE.has(state.connection.phase));
}
