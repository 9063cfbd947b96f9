/** The field in which a message is written. */

import type { ClipboardEvent, KeyboardEvent, RefObject } from "react";
import { client, useClient } from "~/app/client";
import { sessionTitle } from "~/sessions/order";
import { SUPERVISOR } from "~/store/state";
import { chat as text } from "~/text/chat";
import { common } from "~/text/common";
import { ownWords, recalled, rewrite } from "./drafting";

/** Characters that fill the field at its tallest; it scrolls from there on, and more need not be measured. */
const MEASURED = 4_000;

interface FieldProps {
  chatKey: string;
  field: RefObject<HTMLTextAreaElement | null>;
  draft: string;
  onSend(): void;
  onFiles(files: File[]): void;
}

export function Field({ chatKey, field, draft, onSend, onFiles }: FieldProps) {
  const sendWith = useClient((state) => state.settings.sendWith);
  const session = useClient((state) => state.sessions.get(chatKey));
  const name = chatKey === SUPERVISOR ? common.supervisor : session ? sessionTitle(session) : "";
  const onKeyDown = (event: KeyboardEvent) => {
    const mod = event.ctrlKey || event.metaKey;
    const step = { ArrowUp: -1 as const, ArrowDown: 1 as const }[event.key];
    if (step && !mod && !event.shiftKey && !event.altKey) {
      const words = recalled(ownWords(client.store.getState(), chatKey), draft, step);
      if (words !== null) (event.preventDefault(), rewrite(chatKey, words));
    }
    if (event.key !== "Enter") return;
    // A phone's Enter makes a new line; its send button is under the thumb.
    const enter = sendWith === "enter" && !event.shiftKey && matchMedia("(pointer: fine)").matches;
    if (!mod && !enter) return;
    event.preventDefault();
    // Still held from where it was pressed: a choice in a sheet that has closed.
    if (!event.repeat) onSend();
  };
  const onPaste = (event: ClipboardEvent) => {
    const { files } = event.clipboardData;
    // Tables and pictures of text come as both.
    if (files.length === 0 || event.clipboardData.getData("text/plain") !== "") return;
    event.preventDefault();
    onFiles([...files]);
  };
  return (
    // As tall as an unseen twin of its text: nothing has to be measured, and nothing around it moves meanwhile.
    <div
      data-twin={`${draft.slice(0, MEASURED)} `}
      className="grid max-h-[200px] min-h-11 min-w-0 flex-1 overflow-hidden text-base leading-6 after:invisible after:col-start-1 after:row-start-1 after:max-h-[200px] after:overflow-hidden after:px-3.5 after:py-2.5 after:whitespace-pre-wrap after:[overflow-wrap:anywhere] after:content-[attr(data-twin)]"
    >
      <textarea
        ref={field}
        data-chat={chatKey}
        value={draft}
        rows={1}
        aria-label={text.message}
        placeholder={text.to(name)}
        dir="auto"
        enterKeyHint="enter"
        onChange={(event) => client.draft(chatKey, event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        className="col-start-1 row-start-1 h-full min-w-0 resize-none overflow-y-auto bg-transparent px-3.5 py-2.5 outline-none placeholder:truncate placeholder:text-muted"
      />
    </div>
  );
}
