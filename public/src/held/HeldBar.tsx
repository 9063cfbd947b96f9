/** Above the composer: what waits here and may be handed to the server, and what waits there already. */

import { useState } from "react";
import { client, useClient } from "~/app/client";
import type { OutboxItem } from "~/store/state";
import { held as text } from "~/text/held";
import { Button } from "~/ui/Button";
import { reached } from "./reached";
import { HeldRow, HeldSheet } from "./HeldSheet";
import { SendAt } from "./SendAt";

export default function HeldBar({ items }: { items: OutboxItem[] }) {
  const away = useClient((state) => state.connection.phase === "workstation_offline");
  const elsewhere = useClient((state) => state.held.size);
  const known = useClient((state) => state.heldKnown);
  const [open, setOpen] = useState<"at" | "all" | null>(null);
  const here = away ? items.filter(({ state }) => state === "waiting" || state === "queued") : [];
  const there = items.filter(({ state }) => state === "held");
  const others = elsewhere - there.filter(({ hold }) => hold?.until != null).length;
  if (here.length + there.length === 0 && others <= 0) return null;
  const hand = (notBefore: number | null) => {
    void reached(client.hold(here.map(({ id }) => id), notBefore));
  };
  return (
    <section aria-label={text.title} className="mb-2 rounded-2xl border border-line bg-sunken py-1">
      {here.length > 0 && (
        <div className="flex flex-wrap items-center gap-2 px-4 py-1.5">
          <p className="min-w-48 flex-1 text-sm">{text.here(here.length)}</p>
          <Button icon="clock" onClick={() => hand(null)}>
            {text.whenBack}
          </Button>
          <Button look="quiet" onClick={() => setOpen("at")}>
            {text.at}
          </Button>
        </div>
      )}
      {!known && (
        <p role="status" className="px-4 py-1.5 text-sm text-muted">
          {text.unknown}
        </p>
      )}
      {there.length > 0 && (
        <ul className="max-h-44 overflow-y-auto">
          {there.map((item) => (
            <HeldRow key={item.id} id={item.id} words={item.text} until={item.hold?.until ?? null} notBefore={item.hold?.notBefore ?? null} />
          ))}
        </ul>
      )}
      {others > 0 && (
        <button type="button" className="min-h-11 w-full px-4 text-left text-sm text-accent underline underline-offset-3" onClick={() => setOpen("all")}>
          {text.all(elsewhere)}
        </button>
      )}
      {open === "at" && <SendAt words={null} onSend={(at) => hand(at)} onClose={() => setOpen(null)} />}
      {open === "all" && <HeldSheet onClose={() => setOpen(null)} />}
    </section>
  );
}
