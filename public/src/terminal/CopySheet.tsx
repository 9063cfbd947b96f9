/** The screen as plain text, to select from with a finger. */

import { useLayoutEffect, useRef } from "react";
import { useCopy } from "~/app/clipboard";
import { terminalText as text } from "~/text/terminal";
import { useBackCloses } from "~/ui/overlays";

export interface CopySheetProps {
  content: string;
  close(): void;
}

export function CopySheet({ content, close }: CopySheetProps) {
  const { done, copy } = useCopy();
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useBackCloses(close);
  // Closed while it is still in the page: only then does the focus go back to where it was.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    if (field.current) field.current.scrollTop = field.current.scrollHeight;
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="sheet terminal-sheet" aria-label={text.select} onClose={close}>
      <textarea ref={field} readOnly value={content} aria-label={text.select} spellCheck={false} />
      <div className="terminal-sheet-actions">
        <button type="button" className="terminal-key" onClick={close}>
          {text.close}
        </button>
        <button type="button" className="terminal-key" onClick={() => copy(content)}>
          {done ? text.copied : text.copyAll}
        </button>
      </div>
    </dialog>
  );
}
