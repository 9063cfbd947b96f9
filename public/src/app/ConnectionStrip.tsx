/** One line under the header while something is not as it should be; it takes no place when all is well. */

import { useEffect, useState } from "react";
import type { Phase } from "~/store/state";
import { lasting } from "~/text/common";
import { connection as text, phases, reasons } from "~/text/connection";
import { client, useClient } from "./client";
import { Dot, whyOf } from "./ConnectionCard";
import { useNow } from "./media";
import { go } from "./route";

/** Milliseconds of trouble before it is shown: a short reconnect is no news, and the first connection takes its time. */
const SHOW_AFTER = 1_500;
const FIRST_AFTER = 6_000;
const TROUBLE = new Set<Phase>(["connecting", "connected", "degraded", "workstation_offline", "disconnected", "refused"]);

const OPENING = new Set<Phase>(["connecting", "connected"]);

/** When the trouble began: longer ago than any screen was opened, and through all attempts to mend it. */
let began: number | null = null;

export function ConnectionStrip() {
  const connection = useClient((state) => state.connection);
  const opening = useClient((state) => state.syncedAt === null) && OPENING.has(connection.phase);
  const trouble = TROUBLE.has(connection.phase);
  const [since, setSince] = useState(began);
  useEffect(() => {
    began = trouble ? (began ?? Date.now()) : null;
    setSince(began);
  }, [trouble]);
  const now = useNow(500);
  const shown = trouble && since !== null && (connection.phase === "refused" || now - since > (opening ? FIRST_AFTER : SHOW_AFTER));
  if (!shown) return null;
  const { phase, retryAt } = connection;
  const wait = retryAt !== null && retryAt - now > 1_500 ? text.retryIn(lasting(retryAt - now)) : "";
  return (
    <div role="status" className="flex items-center gap-2 border-b border-line bg-sunken py-0.5 pr-1 pl-5 text-[0.8125rem] leading-snug">
      <Dot phase={phase} />
      <span className="min-w-0 flex-1 py-1" title={reasons[whyOf(connection)]}>
        <span className="font-medium">{phases[phase]}</span>
        <span className="text-muted">
          {` ${text.since(lasting(now - since))}`}
          {wait && ` · ${wait}`}
          {phase === "workstation_offline" && ` · ${text.held}`}
        </span>
      </span>
      {phase === "refused" ? (
        <StripButton onClick={() => go({ name: "pair" })}>{text.pairAgain}</StripButton>
      ) : phase === "disconnected" ? (
        <StripButton onClick={() => client.retry()}>{text.retryNow}</StripButton>
      ) : null}
    </div>
  );
}

function StripButton({ onClick, children }: { onClick(): void; children: string }) {
  return (
    <button type="button" onClick={onClick} className="min-h-11 shrink-0 rounded-lg px-3 font-medium text-accent hover:bg-hover">
      {children}
    </button>
  );
}
