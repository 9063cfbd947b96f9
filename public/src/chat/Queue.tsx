/** What was written while the agent works: it goes out in this order, unless edited, deleted or sent now. */

import { client } from "~/app/client";
import { withoutControls } from "~/protocol/controls";
import type { OutboxItem } from "~/store/state";
import { chat as text } from "~/text/chat";
import { IconButton } from "~/ui/Button";

interface QueueProps {
  items: OutboxItem[];
  /** The user stopped the agent; nothing of this goes out by itself. */
  held: boolean;
  onEdit(item: OutboxItem): void;
}

export function Queue({ items, held, onEdit }: QueueProps) {
  const queued = items.filter((item) => item.state === "queued");
  if (queued.length === 0) return null;
  return (
    <section aria-label={text.queue} className="mb-2 rounded-2xl border border-line bg-sunken">
      <h2 className="px-4 pt-2 text-xs font-medium text-muted">{held ? text.queueHeld : text.queue}</h2>
      <ul className="max-h-44 overflow-y-auto py-0.5">
        {queued.map((item) => (
          <li key={item.id} data-testid="queued" className="flex items-center gap-0.5 pr-1 pl-4">
            <span dir="auto" className="min-w-0 flex-1 truncate text-sm">{withoutControls(item.text) || text.voiceMessage}</span>
            {item.text !== "" && <IconButton icon="pencil" size={17} label={text.editQueued} onClick={() => onEdit(item)} />}
            <IconButton icon="trash" size={17} label={text.deleteQueued} onClick={() => client.discard(item.id)} />
            <IconButton icon="send" size={17} label={text.sendNow} onClick={() => client.push(item.id)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
