/** What opens below the workstation's name: the connection in detail, and the other workstations. */

import type { ConnectionState } from "~/store/state";
import { fullTimeOf, lasting } from "~/text/common";
import { connection as text, phases, reasons } from "~/text/connection";
import { settings as settingsText } from "~/text/settings";
import { Button } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import { client, useClient } from "./client";
import { Dot, nameOf, whyOf } from "./ConnectionCard";
import { recallAll } from "~/vault/memory";
import { useNow } from "./media";
import { useBackCloses } from "~/ui/overlays";
import { placeOf } from "./places";
import { go } from "./route";

const draftsAt = (id: string): number => [...recallAll<string>(`draft.${id}.`).values()].filter((words) => words.trim()).length;

export default function Details({ connection, onDone }: { connection: ConnectionState; onDone(): void }) {
  useBackCloses(onDone);
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
    <div role="group" aria-label={text.details} className="animate-rise absolute inset-x-0 top-full z-30 mt-1.5 max-h-[calc(var(--app-height,100dvh)-6rem)] overflow-y-auto overscroll-contain rounded-xl border border-line bg-raised p-1.5 shadow-high">
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
              <span dir="auto" className="block truncate">{nameOf(each, each.id === current ? told : "")}</span>
              <span className="block truncate text-xs text-muted">{placeOf(each, workstations)}</span>
              {waiting.get(each.id) !== undefined && <span className="block text-xs text-warn">{text.waiting(waiting.get(each.id)!)}</span>}
              {each.id !== current && draftsAt(each.id) > 0 && <span className="block text-xs text-muted">{text.drafts(draftsAt(each.id))}</span>}
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
