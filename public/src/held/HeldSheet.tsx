/** The list of everything of this device that waits at the server, each with a way to take it back. */

import { client, useClient } from "~/app/client";
import { withoutControls } from "~/protocol/controls";
import { chat as chatText } from "~/text/chat";
import { dayOf, timeOf } from "~/text/common";
import { held as text } from "~/text/held";
import { IconButton } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { reached } from "./reached";

export function HeldSheet({ onClose }: { onClose(): void }) {
  const held = useClient((state) => state.held);
  const known = useClient((state) => state.heldKnown);
  const outbox = useClient((state) => state.outbox);
  const words = new Map(outbox.map((item) => [item.id, item.text || chatText.voiceMessage]));
  return (
    <Dialog title={text.title} onClose={onClose}>
      {!known && <p role="status">{text.unknown}</p>}
      {(known || held.size > 0) && <p className="text-muted">{held.size > 0 ? text.lead : text.none}</p>}
      <ul className="mt-2 -mr-3">
        {[...held.values()].map(({ id, until = null, notBefore = null }) => (
          <HeldRow key={id} id={id} words={words.get(id) ?? text.otherTab} until={until} notBefore={notBefore} />
        ))}
      </ul>
    </Dialog>
  );
}

interface HeldRowProps {
  id: string;
  words: string;
  until: number | null;
  notBefore: number | null;
}

export function HeldRow({ id, words, until, notBefore }: HeldRowProps) {
  const named = withoutControls(words) || chatText.voiceMessage;
  return (
    <li data-held={id} className="flex items-center gap-2 py-1 pr-1 pl-4">
      <span className="min-w-0 flex-1 text-sm">
        <span dir="auto" className="block truncate">{named}</span>
        <span className="block text-muted">{until === null ? text.handing : notBefore !== null && notBefore > Date.now() ? text.later(momentOf(notBefore)) : text.waits(momentOf(until))}</span>
      </span>
      <IconButton icon="close" size={18} label={text.cancelNamed(named)} onClick={() => void reached(client.unhold(id))} />
    </li>
  );
}

/** "today 14:30" in short: the day only if it is another one. */
function momentOf(at: number): string {
  const now = Date.now();
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return sameDay ? timeOf(at) : `${dayOf(at, now)}, ${timeOf(at)}`;
}
