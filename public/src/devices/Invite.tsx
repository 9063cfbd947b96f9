/** Adding a device or sharing a view: first what it may do, then the code, until it is used or the time is over. */

import { useEffect, useState, type FormEvent } from "react";
import { useStore } from "zustand";
import { client } from "~/app/client";
import { useCopy } from "~/app/clipboard";
import { useNow } from "~/app/media";
import type { Scope } from "~/store/scope";
import { common, lasting } from "~/text/common";
import { devices as text } from "~/text/devices";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { Choice, Select, TextField } from "~/ui/fields";
import { Icon, Spinner } from "~/ui/icons";
import { NAME_MOST } from "./DeviceRow";
import type { Invitation, Wish } from "./devices";
import type { DeviceList } from "./list";
import { QrCode } from "./QrCode";
import { ScopeChoice } from "./ScopeChoice";
import { nameOf, troubleText } from "./words";

/** Milliseconds between two looks at whether the key was used. */
const LOOK_EVERY = 1_500;
const HOUR = 3_600;
const DAY = 24 * HOUR;
const SHARED_FOR = [HOUR, 8 * HOUR, DAY, 7 * DAY, 30 * DAY];

interface InviteProps {
  kind: "device" | "view";
  list: DeviceList;
  onClose(): void;
}

export default function Invite({ kind, list, onClose }: InviteProps) {
  const [wish, setWish] = useState<Wish>({ name: "", scope: kind === "view" ? "view" : "full", expiresIn: kind === "view" ? DAY : null });
  const [invitation, setInvitation] = useState<Invitation | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const create = async () => {
    setBusy(true);
    setError("");
    try {
      setInvitation(await list.invite(wish));
    } catch (failure) {
      setError(troubleText(failure));
    }
    setBusy(false);
  };
  if (invitation) return <Shown invitation={invitation} list={list} onAgain={() => void create()} onClose={onClose} />;
  const submit = (event: FormEvent) => (event.preventDefault(), void (busy || create()));
  return (
    <Dialog
      title={kind === "view" ? text.share : text.add}
      onClose={onClose}
      footer={
        <>
          {error && <p role="alert" className="min-w-0 flex-1 self-center text-sm text-danger">{error}</p>}
          <Button type="submit" form="invite" look="primary" disabled={busy} className="shrink-0">
            {busy && <Spinner />}
            {text.create}
          </Button>
        </>
      }
    >
      <form id="invite" onSubmit={submit} className="space-y-5">
        <p className="text-muted">{kind === "view" ? text.shareLead : text.addLead}</p>
        <TextField
          label={text.name}
          placeholder={text.namePlaceholder}
          value={wish.name}
          maxLength={NAME_MOST}
          autoComplete="off"
          onChange={(event) => setWish({ ...wish, name: event.target.value })}
        />
        {kind === "view" ? (
          <Select label={text.shareFor} value={wish.expiresIn ?? ""} onChange={(event) => setWish({ ...wish, expiresIn: Number(event.target.value) })}>
            {SHARED_FOR.map((seconds) => (
              <option key={seconds} value={seconds}>
                {seconds < DAY ? text.hours(seconds / HOUR) : text.days(seconds / DAY)}
              </option>
            ))}
          </Select>
        ) : (
          <ScopeChoice value={wish.scope} onChange={(scope: Scope) => setWish({ ...wish, scope })} />
        )}
      </form>
    </Dialog>
  );
}

interface ShownProps {
  invitation: Invitation;
  list: DeviceList;
  onAgain(): void;
  onClose(): void;
}

function Shown({ invitation, list, onAgain, onClose }: ShownProps) {
  const device = useStore(list.store, (state) => state.all?.devices.find(({ id }) => id === invitation.device.id));
  const now = useNow(1_000);
  const used = device !== undefined && !device.waiting;
  const late = !used && now >= invitation.until;
  useEffect(() => (used || late ? undefined : list.follow(LOOK_EVERY)), [list, used, late]);
  const withdraw = () => {
    onClose();
    void list.revoke(invitation.device.id).catch((error: unknown) => client.notice("error", troubleText(error)));
  };
  return (
    <Dialog
      title={invitation.device.scope === "view" ? text.share : text.add}
      onClose={onClose}
      footer={
        <>
          {!used && !late && <Button onClick={withdraw}>{text.withdraw}</Button>}
          {late ? (
            <Button look="primary" icon="refresh" onClick={onAgain}>
              {text.again}
            </Button>
          ) : (
            <Button look="primary" onClick={onClose}>
              {used ? text.done : common.close}
            </Button>
          )}
        </>
      }
    >
      <div role="status">
        {used && (
          <p className="flex items-center gap-3 py-4 text-lg font-medium">
            <Icon name="check" size={24} className="text-ok" /> {text.usedBy(nameOf(device))}
          </p>
        )}
        {late && <p className="py-4">{text.tooLate}</p>}
      </div>
      {!used && !late && <Code invitation={invitation} left={lasting(invitation.until - now)} />}
    </Dialog>
  );
}

type Way = "browser" | "app";

function Code({ invitation, left }: { invitation: Invitation; left: string }) {
  const [way, setWay] = useState<Way>("browser");
  const { done, copy } = useCopy();
  const link = way === "app" ? invitation.link : invitation.webLink;
  return (
    <div className="space-y-4">
      <p className="flex items-center gap-2 text-sm text-muted">
        <Icon name="clock" size={16} />
        <span className="rounded-full border border-line-strong px-2 py-px text-xs">{text.scopes[invitation.device.scope]}</span>
        {text.left(left)}
      </p>
      <Choice label={text.way} value={way} options={text.ways as Record<Way, string>} onChange={setWay} />
      <QrCode text={link} label={text.qr} />
      <Button icon={done ? "check" : "link"} className="w-full" onClick={() => copy(link)}>
        {done ? common.copied : text.copyLink}
      </Button>
      {invitation.code && (
        <p className="text-center">
          <span className="block text-sm text-muted">{text.orCode}</span>
          <span data-testid="code" className="font-mono text-2xl font-semibold tracking-widest select-all">{invitation.code}</span>
        </p>
      )}
    </div>
  );
}
