/** The field in which a message is written. */

import { type ClipboardEvent, type KeyboardEvent, lazy, type RefObject, Suspense, useState } from "react";
import { client, useClient } from "~/app/client";
import { sessionTitle } from "~/sessions/order";
import { SUPERVISOR } from "~/store/state";
import { chat as text } from "~/text/chat";
import { common } from "~/text/common";
import { type Asked, askedAt } from "./asked";
import { ownWords, recalled, rewrite } from "./drafting";

const Completion = lazy(() => import("./Completion"));

/** Characters that fill the field at its tallest; it scrolls from there on, and more need not be measured. */
const MEASURED = 4_000;

/** Keys that a keyboard on the glass has not, or reports without a `code`. */
const OF_HARDWARE = new Set(["Shift", "Control", "Alt", "Meta", "Escape", "Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);
/** Such a key was pressed: a touch device has a hardware keyboard too. */
let hardware = false;

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
  const [asked, setAsked] = useState<Asked | null>(null);
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    const mod = event.ctrlKey || event.metaKey;
    if (OF_HARDWARE.has(event.key) && event.code !== "") hardware = true;
    const step = { ArrowUp: -1 as const, ArrowDown: 1 as const }[event.key];
    if (step && !mod && !event.shiftKey && !event.altKey && atEdge(event.currentTarget, step)) {
      const words = recalled(ownWords(client.store.getState(), chatKey), draft, step);
      if (words !== null) (event.preventDefault(), rewrite(chatKey, words), setAsked(null));
    }
    if (event.key !== "Enter") return;
    if (event.altKey && !mod) return void (event.preventDefault(), document.execCommand("insertText", false, "\n"));
    // A phone's Enter makes a new line; its send button is under the thumb.
    const enter = sendWith === "enter" && !event.shiftKey && (hardware || matchMedia("(pointer: fine)").matches);
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
    <>
      {asked && (
        <Suspense fallback={null}>
          <Completion chatKey={chatKey} field={field} asked={asked} onClose={() => setAsked(null)} />
        </Suspense>
      )}
      {/* As tall as an unseen twin of its text: nothing has to be measured, and nothing around it moves meanwhile. */}
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
          onChange={(event) => (client.draft(chatKey, event.target.value), setAsked(wordAt(event.target)))}
          // A caret that moves away closes the list, and none opens it.
          onSelect={({ currentTarget }) => setAsked((before) => before && wordAt(currentTarget))}
          onBlur={() => setAsked(null)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          className="col-start-1 row-start-1 h-full min-w-0 resize-none overflow-y-auto bg-transparent px-3.5 py-2.5 outline-none placeholder:truncate placeholder:text-muted"
        />
      </div>
    </>
  );
}

const wordAt = ({ value, selectionEnd }: HTMLTextAreaElement): Asked | null => askedAt(value, selectionEnd);

/** The caret stands in the first line (-1) or in the last (1): there the arrow leads out of the field. */
function atEdge({ value, selectionStart, selectionEnd }: HTMLTextAreaElement, step: -1 | 1): boolean {
  return !(step < 0 ? value.slice(0, selectionStart) : value.slice(selectionEnd)).includes("\n");
}
