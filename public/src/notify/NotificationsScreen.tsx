/** Notifications of one workstation on this device: whether, about what, and when not. */

import { useEffect, useRef, useState, type ReactNode } from "react";
import { client, useClient } from "~/app/client";
import { ScreenHeader } from "~/app/ScreenHeader";
import { RequestFailed } from "~/connection/requests";
import { sessionTitle } from "~/sessions/order";
import { errorText } from "~/text/common";
import { push as text } from "~/text/push";
import { onChange } from "~/vault/memory";
import { Button } from "~/ui/Button";
import { Switch, TextField, useInView } from "~/ui/fields";
import { Icon } from "~/ui/icons";
import { askToNotify } from "./index";
import { FIRST, KINDS, obstacle, test, turnOff, turnOn, WISHES, wishesOf, type Wishes } from "./push";

const NIGHT = { from: "22:00", to: "07:00" };

export default function NotificationsScreen() {
  const current = useClient((state) => state.current);
  return (
    <>
      <ScreenHeader title={text.title} up={{ name: "settings" }} />
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-2xl space-y-6 px-4 pt-5 pb-[max(3rem,var(--safe-bottom))]">
          <Body key={current} workstationId={current} />
        </div>
      </div>
    </>
  );
}

function Body({ workstationId }: { workstationId: string | null }) {
  const [wishes, setWishes] = useState(() => wishesOf(workstationId));
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState("");
  const [blocked, setBlocked] = useState(obstacle);
  const begun = useRef<Promise<unknown>>(Promise.resolve());
  /** One after the other, in the order in which they were wanted: the server keeps what it gets last. */
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true);
    setTrouble("");
    const mine = begun.current.then(work).catch((error: unknown) => setTrouble(troubleText(error)));
    begun.current = mine;
    await mine;
    if (begun.current !== mine) return;
    setWishes(wishesOf(workstationId));
    setBusy(false);
  };
  // Another tab may change them while this one shows them.
  useEffect(() => onChange((name) => name === `${WISHES}${workstationId}` && setWishes(wishesOf(workstationId))), [workstationId]);
  const want = (next: Wishes) => (setWishes(next), void run(() => turnOn(client, next)));
  const toggle = async (on: boolean) => {
    if (busy) return;
    if (!on) return run(() => turnOff(client));
    await askToNotify();
    setBlocked(obstacle());
    if (Notification.permission === "granted") await run(() => turnOn(client, FIRST));
  };
  if (blocked !== null) return <Note>{text.obstacles[blocked]}</Note>;
  return (
    <>
      {trouble && <Note>{trouble}</Note>}
      <Card>
        <Switch label={text.on} hint={text.onHint} checked={wishes !== null} onChange={(on) => void toggle(on)} />
      </Card>
      {wishes && <Chosen wishes={wishes} want={want} />}
      {wishes && <Test busy={busy} run={run} onTrouble={setTrouble} />}
    </>
  );
}

function Chosen({ wishes, want }: { wishes: Wishes; want(wishes: Wishes): void }) {
  const sessions = useClient((state) => state.sessions);
  const kind = (name: Wishes["kinds"][number], on: boolean) =>
    want({ ...wishes, kinds: KINDS.filter((each) => (each === name ? on : wishes.kinds.includes(each))) });
  const mute = (id: string, on: boolean) => want({ ...wishes, muted: on ? wishes.muted.filter((each) => each !== id) : [...wishes.muted, id] });
  return (
    <>
      <Card title={text.kinds}>
        {KINDS.map((each) => (
          <Switch key={each} label={text.kind[each]} checked={wishes.kinds.includes(each)} onChange={(on) => kind(each, on)} />
        ))}
        <Switch label={text.excerpt} hint={text.excerptHint} checked={wishes.excerpt} onChange={(excerpt) => want({ ...wishes, excerpt })} />
      </Card>
      <Card title={text.quiet}>
        <Switch label={text.quiet} hint={text.quietHint} checked={wishes.quiet !== null} onChange={(on) => want({ ...wishes, quiet: on ? NIGHT : null })} />
        {wishes.quiet && <Hours key={`${wishes.quiet.from} ${wishes.quiet.to}`} quiet={wishes.quiet} onChange={(quiet) => want({ ...wishes, quiet })} />}
      </Card>
      {sessions.size > 0 && (
        <Card title={text.muted}>
          <p className="py-2 text-sm text-muted">{text.mutedHint}</p>
          {[...sessions.values()].map((session) => (
            <Switch key={session.id} label={sessionTitle(session)} checked={!wishes.muted.includes(session.id)} onChange={(on) => mute(session.id, on)} />
          ))}
        </Card>
      )}
    </>
  );
}

/** Told to the server when a field is left: each key in it would be a request. */
function Hours({ quiet, onChange }: { quiet: NonNullable<Wishes["quiet"]>; onChange(quiet: NonNullable<Wishes["quiet"]>): void }) {
  const [value, setValue] = useState(quiet);
  const bind = (name: "from" | "to") => ({
    type: "time",
    value: value[name],
    onChange: (event: { target: { value: string } }) => setValue({ ...value, [name]: event.target.value || quiet[name] }),
    onBlur: () => (value.from !== quiet.from || value.to !== quiet.to) && onChange(value),
  });
  return (
    <div className="grid grid-cols-2 gap-4 py-3">
      <TextField label={text.from} {...bind("from")} />
      <TextField label={text.to} {...bind("to")} />
    </div>
  );
}

interface TestProps {
  busy: boolean;
  run(work: () => Promise<unknown>): Promise<void>;
  onTrouble(words: string): void;
}

function Test({ busy, run, onTrouble }: TestProps) {
  const send = async () => {
    const reason = await test(client);
    if (reason) onTrouble(text.problems[reason] ?? text.problems.failed!);
    else client.notice("info", text.sent);
  };
  return (
    <Button icon="bell" disabled={busy} onClick={() => void run(send)}>
      {text.test}
    </Button>
  );
}

function Card({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <section>
      {title && <h2 className="mb-2 px-1 text-sm font-semibold text-muted">{title}</h2>}
      <div className="divide-y divide-line rounded-2xl border border-line bg-surface px-4 py-1 shadow-low">{children}</div>
    </section>
  );
}

function Note({ children }: { children: string }) {
  return (
    <p ref={useInView(children)} role="alert" className="flex gap-3 rounded-xl bg-warn-soft px-4 py-3">
      <Icon name="alert" className="mt-0.5 text-warn" /> <span className="min-w-0 flex-1">{children}</span>
    </p>
  );
}

function troubleText(error: unknown): string {
  if (!(error instanceof RequestFailed)) return text.problems.subscribe!;
  return text.problems[error.code] ?? errorText(error);
}
