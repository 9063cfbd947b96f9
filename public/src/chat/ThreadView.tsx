/** The messages, the way to older ones, and the way back to the latest. */

import { ThreadPrimitiveUnstable_MessageById as Message, unstable_useThreadMessageIds as useMessageIds } from "@assistant-ui/core/react";
import { useAuiState } from "@assistant-ui/store";
import { memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import { client, useClient } from "~/app/client";
import { useNow } from "~/app/media";
import { SUPERVISOR, type Chat, type Phase } from "~/store/state";
import { errors, lasting } from "~/text/common";
import { connection } from "~/text/connection";
import { chat as text } from "~/text/chat";
import { Button } from "~/ui/Button";
import { Icon, Spinner } from "~/ui/icons";
import { MESSAGES } from "./Messages";
import type { Thread } from "./useThread";

interface ThreadViewProps {
  chatKey: string;
  chat: Chat;
  thread: Thread;
}

export function ThreadView({ chatKey, chat, thread }: ThreadViewProps) {
  const nothing = thread.shown.length === 0;
  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div
        ref={thread.viewport}
        role="log"
        aria-label={text.log}
        aria-busy={chat.executing}
        tabIndex={0}
        className="min-h-0 flex-1 overflow-y-auto overscroll-contain outline-offset-[-2px] [overflow-anchor:none]"
      >
        <div ref={thread.content} className={`mx-auto flex min-h-full w-full max-w-3xl flex-col px-4 pt-4 pb-6 ${thread.filled || nothing ? "" : "invisible"}`}>
          <Top chatKey={chatKey} chat={chat} nothing={nothing} />
          {nothing && chat.freshness !== "none" && <Empty supervisor={chatKey === SUPERVISOR} />}
          {nothing && chat.freshness === "none" && chat.loading === "no" && !chat.error && <Absent />}
          <Messages />
          {!nothing && chat.freshness === "stale" && <AsOf at={chat.asOf} />}
          {chat.executing && !chat.messages.at(-1)?.streaming && <Working />}
        </div>
      </div>
      <Drawn run={thread.drawn} />
      <Jump shown={!thread.atEnd} newest={chat.messages.at(-1)?.key} onJump={thread.jump} />
    </div>
  );
}

/** By id and not by place: a row that comes in above would otherwise draw all that stand below it again. */
const Messages = memo(function Messages() {
  return useMessageIds().map((id) => <Message key={id} messageId={id} components={MESSAGES} />);
});

/** assistant-ui draws new messages a moment after we gave them to it; only then can the scroll be kept. */
function Drawn({ run }: { run(): void }) {
  const mounted = useAuiState(({ thread: { messages } }) => `${messages[0]?.id} ${messages.length} ${messages.at(-1)?.id}`);
  useLayoutEffect(run, [mounted, run]);
  return null;
}

function Top({ chatKey, chat, nothing }: { chatKey: string; chat: Chat; nothing: boolean }) {
  if (chat.error) {
    return (
      <div role="alert" className="mb-4 flex flex-col items-center gap-2 rounded-xl bg-danger-soft px-4 py-3 text-center text-sm">
        <span>
          {text.loadFailed} {errors[chat.error]}
        </span>
        <Button icon="refresh" onClick={() => void (nothing ? client.reload(chatKey) : client.loadOlder(chatKey))}>
          {text.reload}
        </Button>
      </div>
    );
  }
  const loading = chat.loading === "older" || (nothing && chat.loading === "newest");
  if (nothing && !loading) return null;
  // Of one height, whatever it says: nothing below it moves.
  return (
    <div className={`flex h-10 shrink-0 select-none items-center justify-center text-xs text-muted ${nothing ? "m-auto" : ""}`}>
      {loading && (
        <span role="status">
          <Spinner />
          <span className="sr-only">{nothing ? text.loadingNewest : text.loadingOlder}</span>
        </span>
      )}
      {!loading && !chat.hasOlder && chat.freshness !== "none" && text.beginning}
    </div>
  );
}

function Empty({ supervisor }: { supervisor: boolean }) {
  return (
    <div className="m-auto flex flex-col items-center gap-2 py-10 text-center">
      <span className="mb-1 flex size-14 items-center justify-center rounded-2xl bg-accent-soft text-accent">
        <Icon name={supervisor ? "spark" : "agent"} size={26} />
      </span>
      <p className="font-medium">{text.empty}</p>
      <p className="text-sm text-muted">{supervisor ? text.emptySupervisor : text.emptySession}</p>
    </div>
  );
}

/** Only the last conversations are kept in the browser; this one comes from the workstation. */
function Absent() {
  const away = useClient((state) => AWAY.has(state.connection.phase));
  if (!away) return null;
  return (
    <div className="m-auto flex flex-col items-center gap-2 py-10 text-center text-muted">
      <Icon name="offline" size={28} />
      <p>{text.absent}</p>
    </div>
  );
}

/** What is shown may be behind: said while there is no connection that would bring the rest. */
function AsOf({ at }: { at: number | null }) {
  const away = useClient((state) => !LIVE.has(state.connection.phase));
  const now = useNow(10_000);
  if (!away) return null;
  return (
    <p className="flex items-center justify-center gap-2 py-3 text-xs text-muted">
      <Icon name="clock" size={14} />
      {at === null ? connection.staleEver : connection.stale(lasting(now - at))}
    </p>
  );
}

const LIVE = new Set<Phase>(["authenticated", "verified", "degraded"]);
const AWAY = new Set<Phase>(["disconnected", "workstation_offline", "refused", "idle"]);

export function Working() {
  return (
    <div role="status" className="flex items-center gap-2 py-2 text-sm text-muted">
      <span className="flex gap-1" aria-hidden="true">
        {[0, 1, 2].map((dot) => (
          <span key={dot} className="animate-dot size-1.5 rounded-full bg-accent" style={{ animationDelay: `${dot * 0.18}s` }} />
        ))}
      </span>
      {text.working}
    </div>
  );
}

/** `newest` is the key of the last message: older ones that come in above are no news. */
function Jump({ shown, newest, onJump }: { shown: boolean; newest: string | undefined; onJump(): void }) {
  const [seen, setSeen] = useState(newest);
  const latest = useRef(newest);
  latest.current = newest;
  useEffect(() => setSeen(latest.current), [shown]);
  if (!shown) return null;
  const news = newest !== seen;
  return (
    <div data-foot className="pointer-events-none absolute inset-x-0 bottom-3 flex justify-center">
      <button
        type="button"
        onClick={onJump}
        className={`animate-rise pointer-events-auto flex min-h-11 items-center gap-2 rounded-full border px-4 text-sm font-medium shadow-high ${news ? "border-transparent bg-accent text-on-accent" : "border-line bg-raised"}`}
      >
        <Icon name="arrowDown" size={16} />
        {news ? text.jumpNew : text.jump}
      </button>
    </div>
  );
}
