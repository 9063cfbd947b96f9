/** Above the field: words that go on from the one at the caret. Arrows choose, Tab or a tap takes one, Escape closes. */

import { useEffect, useId, useMemo, useState, type RefObject } from "react";
import { client, useClient } from "~/app/client";
import type { ChatKey } from "~/store/state";
import { chat as text } from "~/text/chat";
import type { Asked } from "./asked";
import { completions, known } from "./complete";

interface CompletionProps {
  chatKey: ChatKey;
  field: RefObject<HTMLTextAreaElement | null>;
  asked: Asked;
  onClose(): void;
}

export default function Completion({ chatKey, field, asked, onClose }: CompletionProps) {
  const [chosen, setChosen] = useState(-1);
  const id = useId();
  const messages = useClient((state) => state.chats.get(chatKey)?.messages);
  const kind = asked.words.charAt(0);
  const all = useMemo(() => known(client.store.getState(), chatKey, kind), [chatKey, kind, messages]);
  const offered = completions(all, asked.words);
  const at = Math.min(chosen, offered.length - 1);

  const take = (words: string | undefined) => {
    const element = field.current;
    if (!element || words === undefined) return;
    element.focus();
    element.setSelectionRange(asked.from, asked.from + asked.words.length);
    document.execCommand("insertText", false, `${words} `);
    onClose();
  };
  useEffect(() => setChosen(-1), [asked.words]);
  useEffect(() => {
    const element = field.current;
    if (!element || offered.length === 0) return;
    // Before the field itself, to which these keys mean something else.
    const key = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const takes = event.key === "Tab" || (event.key === "Enter" && at >= 0);
      if (!step && !takes && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      if (step) setChosen((Math.max(at, step < 0 ? 0 : -1) + step + offered.length) % offered.length);
      else if (takes) take(offered[Math.max(at, 0)]);
      else onClose();
    };
    element.addEventListener("keydown", key);
    element.setAttribute("aria-controls", id);
    if (at >= 0) element.setAttribute("aria-activedescendant", `${id}-${at}`);
    return () => {
      element.removeEventListener("keydown", key);
      for (const name of ["aria-controls", "aria-activedescendant"]) element.removeAttribute(name);
    };
  });
  if (offered.length === 0) return null;
  return (
    <div data-foot className="animate-rise absolute inset-x-0 bottom-full z-20 mb-2 max-h-[40vh] overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-high">
      <div id={id} role="listbox" aria-label={text.completions} dir="ltr">
        {offered.map((words, index) => (
          <div
            key={words}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            // The field keeps the focus, and a phone its keyboard.
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => take(words)}
            className="flex min-h-11 cursor-pointer items-center rounded-lg px-3 font-mono text-sm [overflow-wrap:anywhere] hover:bg-hover aria-selected:bg-accent-soft"
          >
            {words}
          </div>
        ))}
      </div>
      <p role="status" className="sr-only">
        {text.completionHint(offered.length)}
      </p>
    </div>
  );
}
