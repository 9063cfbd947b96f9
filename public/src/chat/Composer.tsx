/** Where messages are written, spoken, queued and stopped. */

import { lazy, memo, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { client, useClient } from "~/app/client";
import { useOnce } from "~/app/once";
import { useScreenAction } from "~/app/shortcuts";
import { useWide } from "~/app/media";
import { FILES_MOST } from "~/protocol/limits";
import type { AudioFormat } from "~/protocol/messages";
import type { OutboxItem } from "~/store/state";
import { errorText } from "~/text/common";
import { chat as text } from "~/text/chat";
import { Icon } from "~/ui/icons";
import { Dictate } from "./Dictate";
import { addToDraft, rewrite } from "./drafting";
import { Field } from "./Field";
import { Queue } from "./Queue";
import { useFileDrop } from "./useFileDrop";

const Quote = lazy(() => import("./Quote"));
const HeldBar = lazy(() => import("../held/HeldBar"));
const VoiceRecorder = lazy(() => import("../voice/VoiceRecorder"));

interface ComposerProps {
  chatKey: string;
  executing: boolean;
  held: boolean;
  items: OutboxItem[];
}

export const Composer = memo(function Composer({ chatKey, executing, held, items }: ComposerProps) {
  const draft = useClient((state) => state.drafts.get(chatKey) ?? "");
  const keeps = useClient((state) => state.connection.keeps && (state.held.size > 0 || items.length > 0));
  const [recording, setRecording] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const wide = useWide();

  const root = useRef<HTMLDivElement>(null);
  const compose = useCallback(() => (field.current?.focus(), field.current !== null), []);
  useScreenAction("compose", compose);
  useScreenAction("record", useCallback(() => press(root.current), []));
  // Not where that would bring up a keyboard on the glass.
  useEffect(() => void (wide && matchMedia("(pointer: fine)").matches && field.current?.focus({ preventScroll: true })), [wide, chatKey]);

  const send = () => {
    if (!draft.trim()) return;
    client.send(chatKey, draft);
    client.draft(chatKey, "");
    field.current?.focus();
  };
  const recorded = (recording: Blob, format: AudioFormat, duration?: number) => {
    client.sendVoice(chatKey, recording, format, duration).catch((error: unknown) => client.notice("error", errorText(error)));
  };
  const bring = async (files: File[]) => {
    try {
      const { words, refused } = await (await import("./files")).inlined(files);
      if (words) addToDraft(chatKey, words);
      for (const reason of refused) client.notice("error", reason);
    } catch (error) {
      client.notice("error", errorText(error));
    }
  };
  const dropping = useFileDrop((files) => void bring(files));
  const edit = (item: OutboxItem) => {
    const words = client.recall(item.id);
    rewrite(chatKey, draft.trim() ? `${words}\n${draft}` : words);
  };

  return (
    <div ref={root} data-foot className="border-t border-line bg-bg px-3 pt-2 pb-[max(0.75rem,var(--safe-bottom))]">
      <div className="relative mx-auto w-full max-w-3xl">
        <Suspense fallback={null}>
          <Quote chatKey={chatKey} />
          {keeps && <HeldBar items={items} />}
        </Suspense>
        <Queue items={items} held={held} onEdit={edit} />
        <div className="relative flex items-end gap-1 rounded-[1.625rem] border border-line-strong bg-surface p-1 shadow-low focus-within:border-accent">
          <Field chatKey={chatKey} field={field} draft={draft} onSend={send} onFiles={(files) => void bring(files)} />
          {dropping && (
            <div role="status" className="absolute inset-0 z-10 flex items-center justify-center rounded-[inherit] border-2 border-dashed border-accent bg-accent-soft text-sm font-medium">
              {text.dropFiles(FILES_MOST / 1000)}
            </div>
          )}
          {/* Stop comes and goes at the field's side: no other button moves under a finger. */}
          {executing && !recording && <Stop chatKey={chatKey} />}
          {!recording && <Dictate chatKey={chatKey} draft={draft} />}
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

function Stop({ chatKey }: { chatKey: string }) {
  const { busy: stopping, run: stop } = useOnce(() => client.cancel(chatKey).catch((error: unknown) => client.notice("error", errorText(error))));
  useScreenAction("stop", useCallback(() => (stop(), true), [stop]));
  return (
    <button
      type="button"
      aria-label={stopping ? text.stopping : text.stop}
      title={text.stop}
      disabled={stopping}
      onClick={() => stop()}
      className="flex size-11 shrink-0 items-center justify-center rounded-full border border-line-strong text-text hover:bg-hover disabled:opacity-50"
    >
      <Icon name="stop" size={18} />
    </button>
  );
}
