/** The workstation and the truth about it: what, since when, why. Opens into details and the other workstations. */

import { useEffect, useRef, useState } from "react";
import type { ConnectionState, Phase, Workstation } from "~/store/state";
import { common, errorText, fullTimeOf, lasting } from "~/text/common";
import { connection as text, phases, reasons } from "~/text/connection";
import { settings as settingsText } from "~/text/settings";
import { Button } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import { client, useClient } from "./client";
import { useNow } from "./media";
import { go } from "./route";

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

/** Where it is reached; with its tunnel where two are reached at the same place. */
function placeOf({ id, url, tunnelId }: Workstation, all: Workstation[]): string {
  const host = new URL(url).host;
  const twins = all.some((each) => each.id !== id && new URL(each.url).host === host);
  return twins ? `${host} · ${tunnelId}` : host;
}

/** Words that wait at an entry of the same name: after a change of keys that is this workstation's old self. */
export function LeftBehind() {
  const waiting = useClient((state) => state.waitingElsewhere);
  const name = useWorkstationName();
  const synced = useClient((state) => state.syncedAt !== null);
  const old = useClient((state) => state.workstations.find((each) => each.id !== state.current && waiting.has(each.id) && nameOf(each, "") === name));
  const [dismissed, setDismissed] = useState("");
  if (!old || !synced || dismissed === old.id) return null;
  const adopt = () => client.adopt(old.id).catch((error: unknown) => client.notice("error", errorText(error)));
  return (
    <section aria-label={text.leftBehind} className="mt-2 rounded-xl bg-warn-soft px-3 py-2 text-sm">
      <p>{text.leftBehindText(waiting.get(old.id) ?? 0, nameOf(old, ""))}</p>
      <div className="mt-1 flex gap-2">
        <Button icon="send" onClick={() => void adopt()}>
          {text.adopt}
        </Button>
        <Button look="quiet" onClick={() => setDismissed(old.id)}>
          {text.notNow}
        </Button>
      </div>
    </section>
  );
}

export function useWorkstationName(): string {
  const current = useClient((state) => state.workstations.find((each) => each.id === state.current));
  const told = useClient((state) => state.workstationName);
  return nameOf(current, told);
}

export function ConnectionCard() {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const connection = useClient((state) => state.connection);
  const name = useWorkstationName();

  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent) => !root.current?.contains(event.target as Node) && setOpen(false);
    const escape = (event: KeyboardEvent) => event.key === "Escape" && (event.preventDefault(), setOpen(false));
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape, true);
    return () => (document.removeEventListener("pointerdown", outside), document.removeEventListener("keydown", escape, true));
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
        <Icon name={open ? "up" : "down"} size={16} className="text-muted" />
      </button>
      {open && <Details connection={connection} onDone={() => setOpen(false)} />}
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

function Details({ connection, onDone }: { connection: ConnectionState; onDone(): void }) {
  const now = useNow(1_000);
  const workstations = useClient((state) => state.workstations);
  const current = useClient((state) => state.current);
  const told = useClient((state) => state.workstationName);
  const version = useClient((state) => state.workstationVersion);
  const waiting = useClient((state) => state.waitingElsewhere);
  const here = workstations.find((each) => each.id === current);
  const online = connection.phase === "verified";
  const why = whyOf(connection);
  return (
    <div role="group" aria-label={text.details} className="animate-rise absolute inset-x-0 top-full z-30 mt-1.5 rounded-xl border border-line bg-raised p-1.5 shadow-high">
      <div className="px-3 pt-2 pb-2 text-sm">
        <div className="flex items-center gap-2 font-medium">
          <Dot phase={connection.phase} /> {phases[connection.phase]}
        </div>
        {why && <p className="mt-1 text-muted">{reasons[why] ?? why}</p>}
        {connection.phase === "workstation_offline" && <p className="mt-1 text-muted">{text.held}</p>}
        <p className="mt-1 text-muted" title={fullTimeOf(connection.since)}>
          {text.since(lasting(now - connection.since))}
          {connection.retryAt !== null && ` · ${text.retryIn(lasting(Math.max(0, connection.retryAt - now)))}`}
        </p>
        <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 text-[0.8125rem]">
          <dt className="text-muted">{text.server}</dt>
          <dd className="truncate">{here ? new URL(here.url).host : ""}</dd>
          <dt className="text-muted">{text.tunnel}</dt>
          <dd className="truncate font-mono text-xs leading-5">{here?.tunnelId}</dd>
          {version && (
            <>
              <dt className="text-muted">{text.version}</dt>
              <dd className="truncate">{version}</dd>
            </>
          )}
        </dl>
        {!online && (
          <div className="mt-2 flex gap-2">
            <Button icon="refresh" className="flex-1" onClick={() => client.retry()}>
              {text.retryNow}
            </Button>
            {connection.phase === "refused" && <Button onClick={() => go({ name: "pair" })}>{text.pairAgain}</Button>}
          </div>
        )}
      </div>
      <div className="mt-1 border-t border-line pt-1.5">
        {workstations.map((each) => (
          <button
            key={each.id}
            type="button"
            aria-pressed={each.id === current}
            onClick={() => (onDone(), each.id !== current && (go({ name: "home" }), void client.select(each.id)))}
            className="flex min-h-11 w-full items-center gap-3 rounded-lg px-3 text-left hover:bg-hover"
          >
            <Icon name="desk" size={18} className="text-muted" />
            <span className="min-w-0 flex-1">
              <span className="block truncate">{nameOf(each, each.id === current ? told : "")}</span>
              <span className="block truncate text-xs text-muted">{placeOf(each, workstations)}</span>
              {waiting.get(each.id) !== undefined && <span className="block text-xs text-warn">{text.waiting(waiting.get(each.id)!)}</span>}
            </span>
            {each.id === current && <Icon name="check" size={18} className="text-accent" />}
          </button>
        ))}
        <button
          type="button"
          onClick={() => (onDone(), go({ name: "pair" }))}
          className="flex min-h-11 w-full items-center gap-3 rounded-lg px-3 text-left hover:bg-hover"
        >
          <Icon name="plus" size={18} className="text-muted" />
          {settingsText.add}
        </button>
      </div>
    </div>
  );
}
