/** One device: what it is, what it may do, when it was last seen; and what can be done with it. */

import { useState } from "react";
import { client } from "~/app/client";
import { fullTimeOf } from "~/text/common";
import { devices as text } from "~/text/devices";
import type { Scope } from "~/store/scope";
import { Button } from "~/ui/Button";
import { Confirm, Dialog } from "~/ui/Dialog";
import { TextField } from "~/ui/fields";
import { Icon, type IconName } from "~/ui/icons";
import { Menu, type MenuItem } from "~/ui/Menu";
import { isOver, type Device, type Kind } from "./devices";
import type { DeviceList } from "./list";
import { ScopeChoice } from "./ScopeChoice";
import { lineOf, nameOf, troubleText } from "./words";

export const ICONS: Record<Kind, IconName> = { browser: "desk", app: "phone", watch: "watch", other: "link" };

interface DeviceRowProps {
  device: Device;
  list: DeviceList;
  now: number;
  /** This device may rename and change the others. */
  manages: boolean;
}

export function DeviceRow({ device, list, now, manages }: DeviceRowProps) {
  const [asked, setAsked] = useState<"rename" | "scope" | "revoke" | null>(null);
  const { mine } = device;
  const over = isOver(device, now);
  const name = nameOf(device);
  const close = () => setAsked(null);
  const run = (work: Promise<void>) => void work.catch((error: unknown) => client.notice("error", troubleText(error)));
  const gone = over || device.waiting;
  const items: MenuItem[] = [
    ...(over || !manages ? [] : [{ label: text.rename, icon: "pencil" as const, run: () => setAsked("rename") }, { label: text.changeScope, icon: "settings" as const, run: () => setAsked("scope") }]),
    { label: gone ? text.remove : text.revoke, icon: "trash", danger: true, run: () => (gone ? run(list.revoke(device.id)) : setAsked("revoke")) },
  ];
  return (
    <li data-device={device.id} className="flex items-center gap-3 py-2 pr-1.5 pl-4">
      <Icon name={device.waiting ? "clock" : ICONS[device.kind]} className="text-muted" />
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span dir="auto" className={`min-w-0 truncate font-medium ${over ? "text-muted" : ""}`}>{name}</span>
          <span className="rounded-full border border-line-strong px-2 py-px text-xs text-muted">{text.scopes[device.scope]}</span>
          {mine && <Mine />}
        </div>
        <div className="text-[0.8125rem] text-muted" title={device.seenAt ? fullTimeOf(device.seenAt) : undefined}>
          {lineOf(device, now)}
        </div>
      </div>
      <Menu label={text.actions(name)} items={items} />
      {asked === "revoke" && (
        <Confirm
          title={text.revokeTitle(name)}
          text={mine ? text.revokeMine : text.revokeText}
          action={text.revoke}
          onConfirm={() => run(list.revoke(device.id))}
          onClose={close}
        />
      )}
      {asked === "rename" && <Rename name={device.name} onSave={(to) => run(list.rename(device.id, to))} onClose={close} />}
      {asked === "scope" && <ChangeScope name={name} scope={device.scope} onSave={(to) => run(list.setScope(device.id, to))} onClose={close} />}
    </li>
  );
}

export const Mine = () => <span className="rounded-full bg-accent-soft px-2 py-px text-xs font-medium text-accent">{text.mine}</span>;

function Rename({ name, onSave, onClose }: { name: string; onSave(name: string): void; onClose(): void }) {
  const [value, setValue] = useState(name);
  const save = () => (onClose(), onSave(value.trim()));
  return (
    <Dialog title={text.rename} onClose={onClose} footer={<Button look="primary" onClick={save}>{text.save}</Button>}>
      <form onSubmit={(event) => (event.preventDefault(), save())}>
        <TextField label={text.name} value={value} maxLength={NAME_MOST} autoComplete="off" onChange={(event) => setValue(event.target.value)} />
      </form>
    </Dialog>
  );
}

/** Characters of a device's name. */
export const NAME_MOST = 64;

function ChangeScope({ name, scope, onSave, onClose }: { name: string; scope: Scope; onSave(scope: Scope): void; onClose(): void }) {
  const [value, setValue] = useState(scope);
  return (
    <Dialog title={name} onClose={onClose} footer={<Button look="primary" onClick={() => (onClose(), value !== scope && onSave(value))}>{text.save}</Button>}>
      <ScopeChoice value={value} onChange={setValue} />
    </Dialog>
  );
}
