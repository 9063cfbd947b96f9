/** Who may reach this workstation: every device with its rights, and the ways to add and to lock out one. */

import { lazy, Suspense, useEffect, useState } from "react";
import { useStore } from "zustand";
import { client, useClient } from "~/app/client";
import { useNow } from "~/app/media";
import { ScreenHeader } from "~/app/ScreenHeader";
import { common } from "~/text/common";
import { devices as text } from "~/text/devices";
import { Button } from "~/ui/Button";
import { Confirm } from "~/ui/Dialog";
import { Switch } from "~/ui/fields";
import { Icon, Spinner } from "~/ui/icons";
import { inOrder, type Devices } from "./devices";
import { DeviceList } from "./list";
import { DeviceRow, ICONS, Mine } from "./DeviceRow";
import { troubleText } from "./words";

const Invite = lazy(() => import("./Invite"));

/** Milliseconds between two looks at the list. */
const LOOK_EVERY = 10_000;

export default function DevicesScreen() {
  const current = useClient((state) => state.current);
  return (
    <>
      <ScreenHeader title={text.title} up={{ name: "settings" }} />
      <Body key={current} />
    </>
  );
}

function Body() {
  const [list] = useState(() => new DeviceList(client));
  const { all, trouble } = useStore(list.store);
  const [inviting, setInviting] = useState<"device" | "view" | null>(null);
  const now = useNow(1_000);
  useEffect(() => list.follow(LOOK_EVERY), [list]);
  return (
    <div className="min-h-0 flex-1 overflow-y-auto">
      <div className="mx-auto max-w-2xl space-y-6 px-4 pt-5 pb-[max(3rem,var(--safe-bottom))]">
        <p className="px-1 text-muted">{text.lead}</p>
        {trouble && <Trouble code={trouble} onRetry={() => void list.load()} />}
        {all === null && !trouble && <Spinner size={24} />}
        {all?.scope === "owner" && (
          <div className="flex flex-wrap gap-2">
            <Button look="primary" icon="plus" onClick={() => setInviting("device")}>
              {text.add}
            </Button>
            <Button icon="eye" onClick={() => setInviting("view")}>
              {text.share}
            </Button>
          </div>
        )}
        {all && all.scope !== "owner" && <p className="px-1 text-muted">{text.onlyMine}</p>}
        {all && <Listed all={all} list={list} now={now} />}
        {all?.scope === "owner" && <OwnerKey list={list} all={all} />}
      </div>
      <Suspense fallback={null}>{inviting && <Invite kind={inviting} list={list} onClose={() => setInviting(null)} />}</Suspense>
    </div>
  );
}

function Trouble({ code, onRetry }: { code: string; onRetry(): void }) {
  return (
    <div role="alert" className="flex flex-wrap items-center gap-3 rounded-xl bg-warn-soft px-4 py-3">
      <Icon name="alert" className="text-warn" />
      <p className="min-w-40 flex-1">{troubleText(code)}</p>
      {code !== "FORBIDDEN" && code !== "unsupported" && (
        <Button icon="refresh" onClick={onRetry}>
          {common.retry}
        </Button>
      )}
    </div>
  );
}

function Listed({ all, list, now }: { all: Devices; list: DeviceList; now: number }) {
  if (all.devices.length === 0) return <p className="rounded-2xl border border-line bg-surface px-4 py-4">{text.none}</p>;
  return (
    <ul aria-label={text.title} className="divide-y divide-line rounded-2xl border border-line bg-surface shadow-low">
      {inOrder(all.devices, now).map((device) => (
        <DeviceRow key={device.id} device={device} list={list} now={now} manages={all.scope === "owner"} />
      ))}
    </ul>
  );
}

/** The key that the workstation itself prints: who uses it, and whether it takes in others. */
function OwnerKey({ list, all }: { list: DeviceList; all: Devices }) {
  const [asking, setAsking] = useState(false);
  const set = (to: Devices["ownerKey"]) => void list.setOwnerKey(to).catch((error: unknown) => client.notice("error", troubleText(error)));
  return (
    <section>
      <h2 className="mb-2 px-1 text-sm font-semibold text-muted">{text.ownerTitle}</h2>
      <div className="divide-y divide-line rounded-2xl border border-line bg-surface px-4 py-1 shadow-low">
        <Switch label={text.ownerKey} hint={text.ownerKeyHint} checked={all.ownerKey === "any"} onChange={(on) => (on ? set("any") : setAsking(true))} />
        {all.ownerDevices.map((device) => (
          <div key={device.id} className="flex min-h-12 items-center gap-3 py-1.5">
            <Icon name={ICONS[device.kind]} className="text-muted" />
            <span className="min-w-0 flex-1">
              <span className="flex flex-wrap items-center gap-x-2">
                {text.unnamed[device.kind]} {device.mine && <Mine />}
              </span>
              <span className="block truncate text-[0.8125rem] text-muted">{device.connected ? text.connected("") : text.away}</span>
            </span>
          </div>
        ))}
      </div>
      {asking && (
        <Confirm title={text.closeTitle} text={text.closeText} action={text.closeAction} onConfirm={() => set("known")} onClose={() => setAsking(false)} />
      )}
    </section>
  );
}
