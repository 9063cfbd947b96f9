/** Speaking into the field: the words can be corrected before they are sent. Not there where the browser cannot do it. */

import { useEffect, useRef, useState } from "react";
import { client } from "~/app/client";
import type { ChatKey } from "~/store/state";
import { chat as text } from "~/text/chat";
import { Icon } from "~/ui/icons";
import { failureOf, heardWords, type Recognition, recognitionMaker } from "./dictation";

/** Found out once per page: some browsers offer it and then refuse every time. */
let broken = false;

interface DictateProps {
  chatKey: ChatKey;
  draft: string;
}

export function Dictate({ chatKey, draft }: DictateProps) {
  const [running, setRunning] = useState<Recognition | null>(null);
  /** The text that was last put into the field; anything else there is a person's. */
  const written = useRef<string | null>(null);
  const Maker = recognitionMaker();

  useEffect(() => () => running?.abort(), [running]);
  useEffect(() => {
    // Corrected, sent or deleted meanwhile: what is still understood must not undo that.
    if (running && written.current !== null && draft !== written.current) end(running);
  }, [draft, running]);

  const end = (recognition: Recognition): void => {
    recognition.onresult = null;
    recognition.stop();
    setRunning(null);
  };
  const start = (): void => {
    if (!Maker) return;
    const recognition = new Maker();
    const before = draft.trim() ? `${draft.trimEnd()} ` : "";
    written.current = draft;
    recognition.lang = navigator.language;
    recognition.continuous = recognition.interimResults = true;
    recognition.onresult = ({ results }) => {
      written.current = before + heardWords(results);
      client.draft(chatKey, written.current);
    };
    recognition.onerror = ({ error }) => {
      const failure = failureOf(error);
      if (failure === "broken") broken = true;
      if (failure !== "silence") client.notice("error", failure === "denied" ? text.dictateDenied : text.dictateFailed);
    };
    recognition.onend = () => setRunning((now) => (now === recognition ? null : now));
    recognition.start();
    setRunning(recognition);
  };

  if (!Maker || (broken && !running)) return null;
  return (
    <>
      <span role="status" className="sr-only">
        {running ? text.dictating : ""}
      </span>
      <button
        type="button"
        aria-label={running ? text.dictateStop : text.dictate}
        aria-pressed={running !== null}
        title={running ? text.dictateStop : text.dictateHint}
        onClick={() => (running ? end(running) : start())}
        className={`flex size-11 shrink-0 items-center justify-center rounded-full ${running ? "bg-accent text-on-accent" : "text-muted hover:bg-hover hover:text-text"}`}
      >
        <Icon name="dictate" />
      </button>
    </>
  );
}
