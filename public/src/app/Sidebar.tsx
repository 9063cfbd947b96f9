/** The list: which workstation, how it is, and every session with what is new in it. */

import { lazy, memo, Suspense, useState } from "react";
import { agentAndPath, agentName, endOfPath, grouped, sessionTitle } from "~/sessions/order";
import { attentionOf, type Attention } from "~/store/news";
import { unsentOf } from "~/store/drafts";
import { maySpeak } from "~/store/scope";
import { SUPERVISOR } from "~/store/state";
import { comparable, fits } from "~/store/words";
import type { SessionInfo } from "~/protocol/messages";
import { common, lasting } from "~/text/common";
import { connection as connectionText } from "~/text/connection";
import { help as helpText, settings as settingsText } from "~/text/settings";
import { palette as paletteText } from "~/text/palette";
import { sessions as text } from "~/text/sessions";
import { IconButton } from "~/ui/Button";
import { Icon, Spinner, type IconName } from "~/ui/icons";
import { useClient } from "./client";
import { useKeptScroll } from "./keptScroll";
import { useNow } from "./media";
import { ConnectionCard } from "./ConnectionCard";
import { ConnectionStrip } from "./ConnectionStrip";
import { addressOf, go } from "./route";
import { fold } from "./listWidth";
import { Divider } from "./parts";
import { Unreachable, useComing } from "./Unreachable";
import { useUsable } from "./usable";

const LeftBehind = lazy(() => import("./LeftBehind"));
const Drafts = lazy(() => import("./Drafts"));

/** Fewer sessions than this are found without a filter. */
const FILTER_FROM = 7;

interface SidebarProps {
  current: string | null;
  wide: boolean;
  onHelp(): void;
  onPalette(): void;
}

export function Sidebar({ current, wide, onHelp, onPalette }: SidebarProps) {
  const sessions = useClient((state) => state.sessions);
  const speaks = useClient(maySpeak);
  const elsewhere = useClient((state) => state.waitingElsewhere.size > 0);
  const unsent = useClient((state) => state.syncedAt !== null && unsentOf(state).length > 0);
  const [filter, setFilter] = useState("");

  const summaries = useClient((state) => state.summaries);
  const pinned = useClient((state) => state.pinned);
  const groups = grouped({ sessions: filter ? fitting(sessions, filter) : sessions, summaries, pinned });
  const many = sessions.size >= FILTER_FROM || filter !== "";
  const Frame = wide ? "nav" : "main";
  // On a phone the list is the whole page, and its title the page's.
  const [Title, Kind] = wide ? (["h2", "h3"] as const) : (["h1", "h2"] as const);
  return (
    <Frame
      {...(wide ? { id: "sidebar" } : { id: "main", tabIndex: -1 })}
      aria-label={text.title}
      className={`flex flex-col outline-none border-line bg-sunken ${wide ? "relative w-(--sidebar) shrink-0 border-r" : "min-w-0 flex-1"}`}
    >
      <div className="px-3 pt-[max(0.75rem,var(--safe-top))]">
        <ConnectionCard />
        <Suspense fallback={null}>{elsewhere && <LeftBehind />}</Suspense>
      </div>
      <div ref={useKeptScroll("list")} className="min-h-0 flex-1 overflow-y-auto px-3 pt-3 pb-4">
        <ul>
          <Row sessionKey={SUPERVISOR} current={current === SUPERVISOR} icon="spark" title={common.supervisor} detail={text.supervisorHint} />
        </ul>
        <div className="mt-4 mb-1 flex items-center justify-between pl-3">
          <Title className="text-sm font-semibold">{text.title}</Title>
          <Age />
          <div className="flex">
            <IconButton icon="search" label={paletteText.title} onClick={onPalette} />
            {speaks && <IconButton icon="plus" label={text.new} onClick={() => go({ name: "new" })} />}
          </div>
        </div>
        {many && (
          <input
            type="search"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
            onKeyDown={(event) => {
              // Elsewhere Escape stops the agent.
              if (event.key === "Escape") (event.preventDefault(), setFilter(""));
            }}
            dir="auto"
            aria-label={text.filter}
            placeholder={text.filter}
            className="mb-2 h-11 w-full rounded-xl border border-line bg-surface px-3.5 text-base placeholder:text-muted sm:text-sm"
          />
        )}
        {groups.map((group) => (
          <section key={group.kind} aria-label={text[group.kind]} className="mb-3">
            <Kind className="px-3 pt-1 pb-1 text-xs font-medium text-muted">{text[group.kind]}</Kind>
            <ul>
              {group.sessions.map((session) => (
                <SessionRow key={session.id} session={session} current={session.id === current} />
              ))}
            </ul>
          </section>
        ))}
        <Suspense fallback={null}>{unsent && <Drafts current={current} wide={wide} />}</Suspense>
        {groups.length === 0 && <Nothing filtered={filter !== ""} />}
      </div>
      {/* At the foot: no row moves when it comes. */}
      {!wide && (
        <div data-foot className="*:border-t *:border-b-0">
          <ConnectionStrip />
        </div>
      )}
      <div data-foot={wide ? undefined : ""} className="flex items-center gap-1 border-t border-line px-2 pt-1 pb-[max(0.25rem,var(--safe-bottom))]">
        <a href={addressOf({ name: "settings" })} className="flex min-h-11 flex-1 items-center gap-3 rounded-xl px-3 text-muted hover:bg-hover hover:text-text">
          <Icon name="settings" />
          {settingsText.title}
        </a>
        {wide && <IconButton icon="help" label={helpText.title} onClick={onHelp} />}
        {wide && <IconButton icon="sidebar" label={text.hide} onClick={() => fold(true)} />}
      </div>
      <Suspense fallback={null}>{wide && <Divider />}</Suspense>
    </Frame>
  );
}

const SessionRow = memo(function SessionRow({ session, current }: { session: SessionInfo; current: boolean }) {
  const terminal = session.type === "terminal";
  const detail = terminal ? endOfPath(session) : agentAndPath(session, endOfPath(session));
  return (
    <Row
      sessionKey={session.id}
      current={current}
      icon={terminal ? "terminal" : "agent"}
      agent={terminal ? undefined : session.type}
      title={sessionTitle(session)}
      detail={detail}
    />
  );
});

interface RowProps {
  sessionKey: string;
  current: boolean;
  icon: IconName;
  agent?: string | undefined;
  title: string;
  detail: string;
}

function Row({ sessionKey, current, icon, agent, title, detail }: RowProps) {
  const unread = useClient((state) => state.unread.get(sessionKey) ?? 0);
  const attention = useClient((state) => attentionOf(state, sessionKey));
  const last = useClient((state) => state.summaries.get(sessionKey));
  const pinned = useClient((state) => state.pinned.has(sessionKey));
  const draft = useClient((state) => Boolean(state.drafts.get(sessionKey)?.trim()));
  const held = useClient((state) => state.outbox.some((item) => item.chat === sessionKey));
  return (
    <li>
      <a
        href={addressOf({ name: "session", key: sessionKey })}
        aria-current={current ? "page" : undefined}
        className="group flex min-h-14 items-center gap-3 rounded-xl px-3 py-2 hover:bg-hover aria-[current=page]:bg-accent-soft"
      >
        <span className="relative flex size-9 shrink-0 items-center justify-center rounded-[10px] border border-line bg-surface text-muted group-aria-[current=page]:border-transparent group-aria-[current=page]:bg-accent group-aria-[current=page]:text-on-accent">
          <span data-agent={current ? undefined : agent}>
            <Icon name={icon} size={18} />
          </span>
        </span>
        <span className="min-w-0 flex-1">
          <span className="flex items-baseline gap-2">
            <span dir="auto" className={`min-w-0 flex-1 truncate ${unread ? "font-semibold" : "font-medium"}`}>{title}</span>
            {pinned && <Icon name="pin" size={13} className="self-center text-muted" />}
            {last && <When at={last.at} />}
          </span>
          <span className="flex min-w-0 items-center gap-2 text-[0.8125rem] text-muted">
            <span className="min-w-0 flex-1 truncate">{detail}</span>
            {attention !== "working" && <AttentionMark attention={attention} />}
          </span>
          {/* Its line is there before the words are: no row grows while they come. */}
          {icon !== "terminal" && (
            <span dir="auto" className="block h-[1.5em] truncate text-[0.8125rem] text-muted">
              {last?.role === "user" ? text.yours(last.words) : last?.words}
            </span>
          )}
        </span>
        {(draft || held) && !current && <Icon name={held ? "clock" : "pencil"} size={15} className="text-muted" />}
        {attention === "working" && <AttentionMark attention={attention} />}
        {unread > 0 && (
          <span className="flex h-5 min-w-5 items-center justify-center rounded-full bg-accent px-1.5 text-xs font-semibold text-on-accent">
            <span aria-hidden="true">{unread > 99 ? "99+" : unread}</span>
            <span className="sr-only">{text.unread(unread)}</span>
          </span>
        )}
      </a>
    </li>
  );
}

/** How long ago the last words were said. */
function When({ at }: { at: number }) {
  const now = useNow(30_000);
  return (
    <time dateTime={new Date(at).toISOString()} className="shrink-0 text-xs text-muted">
      {now - at < 60_000 ? text.justNow : lasting(now - at)}
    </time>
  );
}

/** What a session is at: working, in need of an answer, failed. What is done shows by its unread count. */
function AttentionMark({ attention }: { attention: Attention }) {
  if (attention === "none" || attention === "done") return null;
  const words = text.attention[attention];
  if (attention === "working") {
    return (
      <span className="text-accent" data-attention={attention} title={words}>
        <Spinner size={16} />
        <span className="sr-only">{words}</span>
      </span>
    );
  }
  return (
    <span data-attention={attention} className={`rounded-full px-2 py-0.5 text-xs font-medium ${attention === "failed" ? "bg-danger-soft text-danger" : "bg-accent-soft text-accent"}`}>
      {words}
    </span>
  );
}

/** How old the list is, while nobody keeps it up to date. */
function Age() {
  const synced = useClient((state) => state.syncedAt);
  const some = useClient((state) => state.sessions.size > 0);
  const fresh = useUsable();
  const now = useNow(10_000);
  if (!some || (fresh && synced !== null)) return null;
  return (
    <p className="flex min-w-0 flex-1 items-center gap-1.5 px-3 text-xs text-muted">
      <Icon name="clock" size={14} />
      {synced === null ? connectionText.staleEver : connectionText.stale(lasting(now - synced))}
    </p>
  );
}

/** No session to show: none fits, none is open, or the list has not come and why. */
function Nothing({ filtered }: { filtered: boolean }) {
  const synced = useClient((state) => state.syncedAt !== null);
  const usable = useUsable();
  const coming = useComing();
  const words = "px-3 py-3 text-sm text-muted";
  if (filtered) return <p className={words}>{text.filterNone}</p>;
  if (usable && synced) return <p className={words}>{text.noneHint}</p>;
  if (coming) return <p className={words}>{common.loading} …</p>;
  return (
    <div className={`flex flex-col items-start gap-2 ${words}`}>
      <Unreachable />
    </div>
  );
}

function fitting(sessions: ReadonlyMap<string, SessionInfo>, filter: string): ReadonlyMap<string, SessionInfo> {
  const wanted = comparable(filter.trim());
  const words = (session: SessionInfo) => [sessionTitle(session), agentName(session), session.workingDir, session.workspace].join(" ");
  return new Map([...sessions].filter(([, session]) => fits(words(session), wanted)));
}
