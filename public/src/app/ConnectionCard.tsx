/** The workstation and the truth about it: what, since when, why. Opens into details and the other workstations. */

import { Suspense, useEffect, useRef, useState } from "react";
import type { ConnectionState, Phase, Workstation } from "~/store/state";
import { common, lasting } from "~/text/common";
import { connection as text, phases } from "~/text/connection";
import { Icon } from "~/ui/icons";
import { onLeaving } from "~/ui/leaving";
import { useClient } from "./client";
import { useNow } from "./media";
import { part } from "./part";

const Details = part(() => import("./ConnectionDetails"));

type Tone = "ok" | "busy" | "warn" | "bad";

const TONES: Record<Phase, Tone> = {
  idle: "busy",
  connecting: "busy",
  connected: "busy",
  authenticated: "busy",
  verified: "ok",
  degraded: "warn",
  workstation_offline: "warn",
  disconnected: "bad",
  refused: "bad",
};

const DOTS: Record<Tone, string> = { ok: "bg-ok", busy: "bg-accent animate-dot", warn: "bg-warn", bad: "bg-danger" };

export const nameOf = (workstation: Workstation | undefined, told: string): string =>
  workstation?.name || told || workstation?.tunnelId || common.unnamed;

export function useWorkstationName(): string {
  const current = useClient((state) => state.workstations.find((each) => each.id === state.current));
  const told = useClient((state) => state.workstationName);
  return nameOf(current, told);
}

export function ConnectionCard() {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const connection = useClient((state) => state.connection);
  const elsewhere = useClient((state) => state.waitingElsewhere.size > 0);
  const name = useWorkstationName();

  // Now, while there is a connection: it is wanted when there is none.
  useEffect(() => void Details.preload().catch(() => {}), []);
  useEffect(() => {
    if (!open) return;
    const escape = (event: KeyboardEvent) => event.key === "Escape" && (event.preventDefault(), setOpen(false));
    const stop = onLeaving(root.current, () => setOpen(false));
    document.addEventListener("keydown", escape, true);
    return () => (stop(), document.removeEventListener("keydown", escape, true));
  }, [open]);

  return (
    <div ref={root} className="relative">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex min-h-14 w-full items-center gap-3 rounded-xl border border-line bg-surface px-3 py-2 text-left shadow-low hover:bg-hover"
      >
        <Icon name="desk" className="text-muted" />
        <span className="min-w-0 flex-1">
          <span dir="auto" className="block truncate font-semibold">{name}</span>
          <Status connection={connection} />
        </span>
        {elsewhere && (
          <span className="text-warn" title={text.leftBehind}>
            <Icon name="clock" size={16} />
            <span className="sr-only">{text.leftBehind}</span>
          </span>
        )}
        <Icon name={open ? "up" : "down"} size={16} className="text-muted" />
      </button>
      <Suspense fallback={null}>{open && <Details connection={connection} onDone={() => setOpen(false)} />}</Suspense>
    </div>
  );
}

/** The socket cannot know that this device itself has no network; the browser does. */
export function whyOf({ phase, why }: ConnectionState): string {
  return phase === "disconnected" && !navigator.onLine ? "network" : why;
}

export function Dot({ phase }: { phase: Phase }) {
  return <span aria-hidden="true" className={`inline-block size-2 shrink-0 rounded-full ${DOTS[TONES[phase]]}`} />;
}

function Status({ connection }: { connection: ConnectionState }) {
  const now = useNow(1_000);
  const away = connection.phase === "workstation_offline" || connection.phase === "disconnected";
  return (
    <span className="flex items-center gap-1.5 text-[0.8125rem] text-muted">
      <Dot phase={connection.phase} />
      <span className="truncate" data-testid="connection-phase" data-phase={connection.phase}>
        {phases[connection.phase]}
        {away && ` ${text.since(lasting(now - connection.since))}`}
      </span>
    </span>
  );
}
