/** Settings: how it looks, how it sends, what it plays and says, and the paired workstations. */

import { useState, type ReactNode } from "react";
import { client, useClient } from "~/app/client";
import { nameOf } from "~/app/ConnectionCard";
import { useKeptScroll } from "~/app/keptScroll";
import { placeOf } from "~/app/places";
import { addressOf, go, type Route } from "~/app/route";
import { ScreenHeader } from "~/app/ScreenHeader";
import { askToNotify } from "~/notify";
import { forget as forgetPush, turnOff } from "~/notify/push";
import type { Settings, Workstation } from "~/store/state";
import { errorText } from "~/text/common";
import { connection as connectionText } from "~/text/connection";
import { isolated } from "~/text/direction";
import { push } from "~/text/push";
import { settings as text } from "~/text/settings";
import { LANGUAGES } from "~/text/words";
import { Button } from "~/ui/Button";
import { Confirm, Dialog } from "~/ui/Dialog";
import { Choice, Select, Switch, TextField } from "~/ui/fields";
import { Icon, type IconName } from "~/ui/icons";
import { Menu } from "~/ui/Menu";
import { About } from "./About";

export default function SettingsScreen({ onHelp }: { onHelp(): void }) {
  const settings = useClient((state) => state.settings);
  const notify = async (wanted: boolean) => {
    if (wanted && (await askToNotify()) !== "granted") return client.notice("error", text.notificationsDenied);
    client.set({ notifications: wanted });
  };
  return (
    <>
      <ScreenHeader title={text.title} />
      <div ref={useKeptScroll("settings")} className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-2xl space-y-7 px-4 pt-5 pb-[max(3rem,var(--safe-bottom))]">
          <Workstations />
          <nav aria-label={text.more} className="divide-y divide-line overflow-hidden rounded-2xl border border-line bg-surface shadow-low">
            <Way to={{ name: "devices" }} icon="phone" title={text.devices} hint={text.devicesHint} />
            <Way to={{ name: "notifications" }} icon="bell" title={push.title} hint={push.hint} />
          </nav>
          <Group title={text.appearance}>
            <Choice label={text.theme} value={settings.theme} options={text.themes} onChange={(theme) => client.set({ theme })} />
            <Choice label={text.textSize} value={settings.textSize} options={text.textSizes} onChange={(textSize) => client.set({ textSize })} />
          </Group>
          <Group title={text.language}>
            <div className="py-2">
              <Select label={text.language} value={settings.language} onChange={(event) => speakNow(event.target.value as Settings["language"])}>
                <option value="system">{text.languageSystem}</option>
                {Object.entries(LANGUAGES).map(([tag, name]) => (
                  <option key={tag} value={tag} lang={tag}>
                    {name}
                  </option>
                ))}
              </Select>
            </div>
          </Group>
          <Group title={text.chat}>
            {/* On a touch keyboard Enter is always a new line. */}
            <div className="pointer-coarse:hidden">
            <Choice
              label={text.sendWith}
              hint={text.sendWithHint}
              value={settings.sendWith}
              options={text.sendWiths}
              onChange={(sendWith) => client.set({ sendWith })}
            />
            </div>
            <Choice label={text.follow} value={settings.follow} options={text.follows} onChange={(follow) => client.set({ follow })} />
            <Switch label={text.showThinking} checked={settings.showThinking} onChange={(showThinking) => client.set({ showThinking })} />
          </Group>
          <Group title={text.voice}>
            <Switch label={text.autoplay} hint={text.autoplayHint} checked={settings.autoplay} onChange={(autoplay) => client.set({ autoplay })} />
          </Group>
          <Group title={text.notices}>
            <Switch label={text.notifications} hint={text.notificationsHint} checked={settings.notifications} onChange={(wanted) => void notify(wanted)} />
            <Switch label={text.sounds} checked={settings.sounds} onChange={(sounds) => client.set({ sounds })} />
          </Group>
          <Group title={text.about}>
            <About />
          </Group>
          <div className="hidden sm:block">
            <Button icon="help" onClick={onHelp}>
              {text.help}
            </Button>
          </div>
        </div>
      </div>
    </>
  );
}

/** A row that leads to a page of its own. */
function Way({ to, icon, title, hint }: { to: Route; icon: IconName; title: string; hint: string }) {
  return (
    <a href={addressOf(to)} className="flex min-h-14 items-center gap-3 px-4 py-2 hover:bg-hover focus-visible:outline-offset-[-2px]">
      <Icon name={icon} className="text-muted" />
      <span className="min-w-0 flex-1">
        <span className="block font-medium">{title}</span>
        <span className="block text-[0.8125rem] text-muted">{hint}</span>
      </span>
      <Icon name="forward" size={16} className="text-muted" />
    </a>
  );
}

/** Words are read once per page; drafts and what waits outlive the new one. */
function speakNow(language: Settings["language"]): void {
  client.set({ language });
  location.reload();
}

function Group({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2 className="mb-2 px-1 text-sm font-semibold text-muted">{title}</h2>
      <div className="divide-y divide-line rounded-2xl border border-line bg-surface px-4 py-1 shadow-low">{children}</div>
    </section>
  );
}

function Workstations() {
  const workstations = useClient((state) => state.workstations);
  return (
    <section>
      <h2 className="mb-2 px-1 text-sm font-semibold text-muted">{text.workstations}</h2>
      <div className="rounded-2xl border border-line bg-surface shadow-low">
        <ul className="divide-y divide-line">
          {workstations.map((each) => (
            <Row key={each.id} workstation={each} place={placeOf(each, workstations)} />
          ))}
        </ul>
        <button
          type="button"
          className="flex min-h-12 w-full items-center gap-3 rounded-b-2xl border-t border-line px-4 text-left text-accent hover:bg-hover"
          onClick={() => go({ name: "pair" })}
        >
          <Icon name="plus" size={18} />
          {text.add}
        </button>
      </div>
    </section>
  );
}

function Row({ workstation, place }: { workstation: Workstation; place: string }) {
  const current = useClient((state) => state.current === workstation.id);
  const waits = useClient((state) => (current ? state.outbox.length : (state.waitingElsewhere.get(workstation.id) ?? 0)));
  const told = useClient((state) => (current ? state.workstationName : ""));
  const [asked, setAsked] = useState<"forget" | "rename" | null>(null);
  const name = nameOf(workstation, told);
  const forget = async () => {
    // The server may be out of reach, and is asked no more once the key is gone.
    await turnOff(client, workstation.id).catch(() => forgetPush(workstation.id));
    await client.forget(workstation.id).catch((error: unknown) => client.notice("error", errorText(error)));
  };
  return (
    <li className="flex items-center gap-3 py-1.5 pr-1.5 pl-4">
      <Icon name="desk" className="text-muted" />
      <div className="min-w-0 flex-1">
        <div dir="auto" className="truncate font-medium">{name}</div>
        <div className="truncate text-[0.8125rem] text-muted">{place}</div>
        {waits > 0 && <div className="text-[0.8125rem] text-warn">{connectionText.waiting(waits)}</div>}
      </div>
      {current && <span className="hidden rounded-full min-[22rem]:inline bg-accent-soft px-2.5 py-0.5 text-xs font-medium text-accent">{text.current}</span>}
      <Menu
        label={`${isolated(name)}: ${text.workstations}`}
        items={[
          { label: text.use, icon: "check", disabled: current, run: () => void client.select(workstation.id) },
          { label: text.rename, icon: "pencil", run: () => setAsked("rename") },
          { label: text.forget, icon: "trash", danger: true, run: () => setAsked("forget") },
        ]}
      />
      {asked === "forget" && (
        <Confirm title={text.forgetTitle(name)} text={waits > 0 ? `${connectionText.waiting(waits)}. ${text.forgetText}` : text.forgetText} action={text.forget} onConfirm={() => void forget()} onClose={() => setAsked(null)} />
      )}
      {asked === "rename" && <Rename workstation={workstation} name={name} onClose={() => setAsked(null)} />}
    </li>
  );
}

function Rename({ workstation, name, onClose }: { workstation: Workstation; name: string; onClose(): void }) {
  const [value, setValue] = useState(name);
  const save = () => (onClose(), void client.rename(workstation.id, value.trim()));
  return (
    <Dialog
      title={text.rename}
      onClose={onClose}
      footer={
        <Button look="primary" onClick={save}>
          {text.rename}
        </Button>
      }
    >
      <form onSubmit={(event) => (event.preventDefault(), save())}>
        <TextField label={text.rename} value={value} maxLength={60} onChange={(event) => setValue(event.target.value)} />
      </form>
    </Dialog>
  );
}
