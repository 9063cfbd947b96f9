/** A conversation: with the supervisor or with one agent. */

import type { AppendMessage } from "@assistant-ui/core";
import { AssistantRuntimeProvider, useExternalStoreRuntime } from "@assistant-ui/core/react";
import { lazy, memo, useCallback, useEffect, useMemo, useRef, useState, Suspense } from "react";
import { client, useClient } from "~/app/client";
import { useWorkstationName } from "~/app/ConnectionCard";
import { ScreenHeader } from "~/app/ScreenHeader";
import { useScreenAction } from "~/app/shortcuts";
import { agentAndPath, sessionTitle } from "~/sessions/order";
import { useSessionMenu } from "~/sessions/useSessionMenu";
import { EMPTY_CHAT } from "~/store/initial";
import { inChat } from "~/store/outbox";
import { maySpeak } from "~/store/scope";
import { SUPERVISOR, type OutboxItem } from "~/store/state";
import { common, errorText } from "~/text/common";
import { chat as text } from "~/text/chat";
import { isolated } from "~/text/direction";
import { IconButton } from "~/ui/Button";
import { Confirm } from "~/ui/Dialog";
import { Menu, type MenuItem } from "~/ui/Menu";
import { ChatKeyContext } from "./chatKey";
import { Composer } from "./Composer";
import { ToolCall } from "./parts/ToolPart";
import { rowsOf, toThreadMessage, type Row } from "./rows";
import { ThreadView } from "./ThreadView";
import { useThread } from "./useThread";

const ViewBar = lazy(() => import("../devices/ViewBar"));
const EndedBar = lazy(() => import("./EndedBar"));
const SendLater = lazy(() => import("../held/SendLater"));
const SearchBar = lazy(() => import("./SearchBar").then((module) => ({ default: module.SearchBar })));

export default function ChatScreen({ chatKey }: { chatKey: string }) {
  const chat = useClient((state) => state.chats.get(chatKey) ?? EMPTY_CHAT);
  const ended = useClient((state) => state.ended.has(chatKey));
  const speaks = useClient(maySpeak);
  const outbox = useClient((state) => state.outbox);
  const mine = useMemo(() => inChat(outbox, chatKey), [outbox, chatKey]);
  const rows = useMemo(() => rowsOf(chat, mine, Date.now()), [chat, mine]);
  const stay = useClient((state) => state.settings.follow === "beginning");
  const thread = useThread(rows, chat.hasOlder, () => void client.loadOlder(chatKey), stay);
  const [searching, setSearching] = useState(false);

  const runtime = useExternalStoreRuntime({
    messages: thread.shown,
    isRunning: chat.executing,
    convertMessage: toThreadMessage,
    onNew: async (message: AppendMessage) => client.send(chatKey, textOf(message)),
    onCancel: () => client.cancel(chatKey),
  });
  const toggleSearch = useCallback(() => setSearching((before) => !before), []);
  useScreenAction("search", useCallback(() => (setSearching(true), true), []));
  useScreenAction("latest", useCallback(() => (thread.jump(), true), [thread]));
  useEffect(() => void ToolCall.preload().catch(() => {}), []);
  useOwnWords(mine, thread.jump);
  useRevealing(chatKey, rows, thread.reveal);

  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <Header chatKey={chatKey} onSearch={toggleSearch} />
      {searching && (
        <Suspense fallback={null}>
          <SearchBar chatKey={chatKey} rows={rows} hasOlder={chat.hasOlder} onReveal={thread.reveal} onClose={() => setSearching(false)} />
        </Suspense>
      )}
      <ChatKeyContext value={chatKey}>
        <ThreadView chatKey={chatKey} chat={chat} thread={thread} />
      </ChatKeyContext>
      <Suspense fallback={null}>
        {ended ? <EndedBar chatKey={chatKey} /> : !speaks ? <ViewBar chatKey={chatKey} /> : <Composer key={chatKey} chatKey={chatKey} executing={chat.executing} held={chat.held} items={mine} />}
      </Suspense>
    </AssistantRuntimeProvider>
  );
}

/** Who says something wants to see it, and the answer, wherever the reading was. */
function useOwnWords(items: OutboxItem[], jump: () => void): void {
  const newest = items.findLast((item) => item.state !== "queued")?.id;
  const known = useRef(newest);
  useEffect(() => {
    if (newest !== undefined && newest !== known.current) jump();
    known.current = newest;
    // Only a new message counts; `jump` is new on each render.
  }, [newest]);
}

/** A message that was found from elsewhere, as soon as it is loaded. */
function useRevealing(chatKey: string, rows: Row[], reveal: (key: string) => void): void {
  const wanted = useClient((state) => (state.revealing?.chat === chatKey ? state.revealing.messageId : null));
  const key = wanted === null ? undefined : rows.find((row) => row.message.messageId === wanted)?.message.key;
  useEffect(() => {
    if (key === undefined) return;
    reveal(key);
    client.revealed();
    // `reveal` is new on each render.
  }, [key]);
}

/** Not on a desk, where a file is more use than the system's sheet. */
const mayShare = () => "share" in navigator && matchMedia("(pointer: coarse)").matches;

/** Failures stand at the beginning of the conversation, which may be far from what is on screen. */
async function reload(chatKey: string): Promise<void> {
  await client.reload(chatKey);
  const { error, freshness, loading } = client.store.getState().chats.get(chatKey) ?? EMPTY_CHAT;
  if (loading === "no" && (error !== null || freshness !== "fresh")) client.notice("error", error ?? "offline");
}

function textOf(message: AppendMessage): string {
  return message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** Memo: an answer that streams is no reason to draw it again. */
const Header = memo(function Header({ chatKey, onSearch }: { chatKey: string; onSearch(): void }) {
  const session = useClient((state) => state.sessions.get(chatKey) ?? state.ended.get(chatKey));
  const [asking, setAsking] = useState(false);
  const speaks = useClient(maySpeak);
  const later = useClient((state) => state.connection.keeps && speaks && Boolean(state.drafts.get(chatKey)?.trim()));
  const [sending, setSending] = useState(false);
  const { items, dialog } = useSessionMenu(chatKey);
  const supervisor = chatKey === SUPERVISOR;
  const title = supervisor ? common.supervisor : session ? sessionTitle(session) : "";
  const workstation = useWorkstationName();
  const detail = supervisor ? isolated(workstation) : session && agentAndPath(session);
  const own: MenuItem[] = [
    { label: text.exportMarkdown, icon: "copy", run: () => void import("./exported").then((module) => module.copyConversation(chatKey, title)) },
    ...(later ? [{ label: text.sendLater, icon: "clock" as const, run: () => setSending(true) }] : []),
    { label: mayShare() ? text.share : text.saveMarkdown, icon: mayShare() ? "send" : "arrowDown", run: () => void import("./exported").then((module) => module.shareConversation(chatKey, title)) },
    { label: text.reload, icon: "refresh", run: () => void reload(chatKey) },
    ...(supervisor && speaks ? [{ label: text.clear, icon: "trash" as const, danger: true, run: () => setAsking(true) }] : []),
  ];
  const clear = () =>
    client.clearContext().then(
      () => client.notice("info", text.clearDone),
      (error: unknown) => client.notice("error", errorText(error)),
    );
  return (
    <>
      <ScreenHeader
        title={title}
        detail={detail}
        actions={
          <>
            <IconButton icon="search" label={text.search} onClick={onSearch} />
            <Menu items={[...own, ...items]} />
          </>
        }
      />
      {dialog}
      <Suspense fallback={null}>{sending && <SendLater chatKey={chatKey} onClose={() => setSending(false)} />}</Suspense>
      {asking && (
        <Confirm title={text.clearTitle} text={text.clearText} action={text.clear} onConfirm={() => void clear()} onClose={() => setAsking(false)} />
      )}
    </>
  );
});
