/** Offers to quote what is selected in the conversation. */

import { useEffect, useRef, useState } from "react";
import type { ChatKey } from "~/store/state";
import { chat as text } from "~/text/chat";
import { Icon } from "~/ui/icons";
import { addToDraft, quoted } from "./drafting";

/** Milliseconds for which a selection must stand still, and for which a press on the button may follow its end. */
const STILL = 250;

export default function Quote({ chatKey }: { chatKey: ChatKey }) {
  const words = useSelected();
  const done = useRef("");
  // The same words may be selected anew.
  useEffect(() => {
    if (words === "") done.current = "";
  }, [words]);
  if (words === "") return null;
  return (
    <button
      type="button"
      data-foot
      // The selection, and a phone's keyboard, stay as they are until the click.
      onPointerDown={(event) => event.preventDefault()}
      onClick={() => {
        // Quoted once, however often it is pressed before it goes.
        if (done.current === words) return;
        done.current = words;
        addToDraft(chatKey, quoted(words));
        window.getSelection()?.removeAllRanges();
      }}
      className="animate-rise absolute right-3 bottom-full z-10 mb-3 flex min-h-11 items-center gap-2 rounded-full border border-line bg-raised px-4 text-sm font-medium shadow-high"
    >
      <Icon name="quote" size={16} />
      {text.quote}
    </button>
  );
}

function useSelected(): string {
  const [words, setWords] = useState("");
  useEffect(() => {
    let timer = 0;
    const changed = (): void => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => setWords(selected()), STILL);
    };
    document.addEventListener("selectionchange", changed);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener("selectionchange", changed);
    };
  }, []);
  return words;
}

function selected(): string {
  const selection = window.getSelection();
  const log = document.querySelector("[role=log]");
  if (!selection || selection.isCollapsed || !log?.contains(selection.anchorNode) || !log.contains(selection.focusNode)) return "";
  return selection.toString().trim();
}
