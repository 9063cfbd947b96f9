/** In place of what comes from the workstation: that it cannot come, why, and what helps. */

import { phases, reasons, connection as text } from "~/text/connection";
import { sessions } from "~/text/sessions";
import { Button } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import type { Phase } from "~/store/state";
import { useClient } from "./client";
import { whyOf } from "./ConnectionCard";
import { go } from "./route";
import { useUsable } from "./usable";

const COMING = new Set<Phase>(["idle", "connecting", "connected"]);

/** Whether the workstation answers, or is about to. */
export function useComing(): boolean {
  const phase = useClient((state) => state.connection.phase);
  return useUsable() || COMING.has(phase);
}

export function Unreachable() {
  const connection = useClient((state) => state.connection);
  return (
    <>
      <Icon name="offline" size={24} />
      <p className="font-medium text-text">{phases[connection.phase]}</p>
      <p>{reasons[whyOf(connection)] ?? sessions.offlineHint}</p>
      {connection.phase === "refused" && <Button onClick={() => go({ name: "pair" })}>{text.pairAgain}</Button>}
    </>
  );
}
