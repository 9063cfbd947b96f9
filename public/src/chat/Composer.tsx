/** Where messages are written, spoken, queued and stopped. */

import { lazy, memo, Suspense, useCallback, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { client, useClient } from "~/app/client";
import { useScreenAction } from "~/app/shortcuts";
import { useWide } from "~/app/media";
import type { AudioFormat } from "~/protocol/messages";
import { sessionTitle } from "~/sessions/order";
import { SUPERVISOR, type OutboxItem } from "~/store/state";
import { common, errorText } from "~/text/common";
import { chat as text } from "~/text/chat";
import { Icon } from "~/ui/icons";
import { Queue } from "./Queue";

const VoiceRecorder = lazy(() => import("../voice/VoiceRecorder"));

/** Lines before the field scrolls. */
const TALLEST = 200;

interface ComposerProps {
  chatKey: string;
  executing: boolean;
  held: boolean;
  items: OutboxItem[];
}

export const Composer = memo(function Composer({ chatKey, executing, held, items }: ComposerProps) {
  const draft = useClient((state) => state.drafts.get(chatKey) ?? "");
  const [recording, setRecording] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const wide = useWide();
  useHeight(field, draft);

  const root = useRef<HTMLDivElement>(null);
  const compose = useCallback(() => (field.current?.focus(), field.current !== null), []);
  useScreenAction("compose", compose);
  useScreenAction("record", useCallback(() => press(root.current), []));
  useEffect(() => void (wide && field.current?.focus({ preventScroll: true })), [wide, chatKey]);

  const send = () => {
    if (!draft.trim()) return;
    client.send(chatKey, draft);
    client.draft(chatKey, "");
    field.current?.focus();
  };
  const recorded = (recording: Blob, format: AudioFormat, duration?: number) => {
    client.sendVoice(chatKey, recording, format, duration).catch((error: unknown) => client.notice("error", errorText(error)));
  };
  const edit = (item: OutboxItem) => {
    const words = client.recall(item.id);
    client.draft(chatKey, draft.trim() ? `${words}\n${draft}` : words);
    field.current?.focus();
  };

  return (
    <div ref={root} data-foot className="border-t border-line bg-bg px-3 pt-2 pb-[max(0.75rem,var(--safe-bottom))]">
      <div className="mx-auto w-full max-w-3xl">
        <Queue items={items} held={held} onEdit={edit} />
        <div className="relative flex items-end gap-1 rounded-[1.625rem] border border-line-strong bg-surface p-1 shadow-low focus-within:border-accent">
          <Field chatKey={chatKey} field={field} draft={draft} onSend={send} />
          {executing && !recording && <Stop chatKey={chatKey} />}
          {draft.trim() && !recording ? (
            <button
              type="button"
              aria-label={text.send}
              title={text.send}
              onClick={send}
              className="flex size-11 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent hover:bg-accent-strong"
            >
              <Icon name="send" />
            </button>
          ) : (
            <Suspense fallback={<span className="size-11" />}>
              <VoiceRecorder onRecorded={recorded} onActive={setRecording} />
            </Suspense>
          )}
        </div>
      </div>
    </div>
  );
});

/** As a screen reader presses it: once to record, once more to send. */
function press(root: HTMLElement | null): boolean {
  const button = root?.querySelector<HTMLButtonElement>(".recorder-button");
  button?.click();
  return button != null;
}

interface FieldProps {
  chatKey: string;
  field: React.RefObject<HTMLTextAreaElement | null>;
  draft: string;
  onSend(): void;
}

function Field({ chatKey, field, draft, onSend }: FieldProps) {
  const sendWith = useClient((state) => state.settings.sendWith);
  const session = useClient((state) => state.sessions.get(chatKey));
  const name = chatKey === SUPERVISOR ? common.supervisor : session ? sessionTitle(session) : "";
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
    const mod = event.ctrlKey || event.metaKey;
    // A phone's Enter makes a new line; its send button is under the thumb.
    const enter = sendWith === "enter" && !event.shiftKey && matchMedia("(pointer: fine)").matches;
    if (!mod && !enter) return;
    event.preventDefault();
    onSend();
  };
  return (
    <textarea
      ref={field}
      value={draft}
      rows={1}
      aria-label={text.message}
      placeholder={text.to(name)}
      dir="auto"
      enterKeyHint="enter"
      onChange={(event) => client.draft(chatKey, event.target.value)}
      onKeyDown={onKeyDown}
      className="max-h-[200px] min-h-11 min-w-0 flex-1 resize-none bg-transparent px-3.5 py-2.5 text-base leading-6 outline-none placeholder:text-muted"
    />
  );
}

function Stop({ chatKey }: { chatKey: string }) {
  const [stopping, setStopping] = useState(false);
  const stop = useCallback(() => {
    setStopping(true);
    client
      .cancel(chatKey)
      .catch((error: unknown) => client.notice("error", errorText(error)))
      .finally(() => setStopping(false));
    return true;
  }, [chatKey]);
  useScreenAction("stop", stop);
  return (
    <button
      type="button"
      aria-label={stopping ? text.stopping : text.stop}
      title={text.stop}
      disabled={stopping}
      onClick={stop}
      className="flex size-11 shrink-0 items-center justify-center rounded-full border border-line-strong text-text hover:bg-hover disabled:opacity-50"
    >
      <Icon name="stop" size={18} />
    </button>
  );
}

function useHeight(field: React.RefObject<HTMLTextAreaElement | null>, draft: string): void {
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, TALLEST)}px`;
    element.style.overflowY = element.scrollHeight > TALLEST ? "auto" : "hidden";
  }, [field, draft]);
}
