/** Chooses the moment at which the server delivers a message, within the time that it keeps one. */

import { useState, type FormEvent } from "react";
import { HOLD_MOST } from "~/protocol/limits";
import { held as text } from "~/text/held";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { TextField } from "~/ui/fields";

interface SendAtProps {
  /** The message, shown so that one knows what is meant; null where that is plain. */
  words: string | null;
  onSend(at: number): void;
  onClose(): void;
}

const HOUR = 3_600_000;

export function SendAt({ words, onSend, onClose }: SendAtProps) {
  const [value, setValue] = useState(() => localOf(Date.now() + HOUR));
  const [error, setError] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const at = new Date(value).getTime();
    if (!(at > Date.now())) return setError(text.tooEarly);
    // Room is left for a workstation that is away at that moment.
    if (at > Date.now() + HOLD_MOST * 1000 - HOUR) return setError(text.tooLate);
    onClose();
    onSend(at);
  };
  return (
    <Dialog
      title={text.sendAt}
      onClose={onClose}
      footer={
        <Button type="submit" form="send-at" look="primary">
          {text.send}
        </Button>
      }
    >
      <form id="send-at" className="space-y-4" onSubmit={submit} noValidate>
        <p className="text-muted">{text.sendAtLead}</p>
        {words !== null && (
          <blockquote dir="auto" aria-label={text.what} className="max-h-32 overflow-y-auto rounded-xl bg-sunken px-3 py-2 text-sm whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
            {words}
          </blockquote>
        )}
        <TextField label={text.when} type="datetime-local" value={value} error={error} onChange={(event) => (setError(""), setValue(event.target.value))} />
      </form>
    </Dialog>
  );
}

/** As the field has it: local time, to the minute. */
function localOf(at: number): string {
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
