/** Takes over the messages that wait for another workstation. */

import { update, type Core } from "./core";
import type { Courier } from "./courier";
import type { ChatKey, OutboxItem } from "./state";

/** Returns the words for chats that are not here; their recordings stay where they are. */
export async function adopt(core: Core, courier: Courier, workstationId: string, here: (chat: ChatKey) => boolean): Promise<string[]> {
  const words: string[] = [];
  const unclaimed = await courier.unclaimed();
  const { current } = core.store.getState();
  for (const { item, workstationId: of } of unclaimed) {
    if (of !== workstationId || of === current) continue;
    if (here(item.chat)) {
      // What may have arrived at the old entry is said again only by the user.
      const arrived = item.state === "sending" || item.state === "unsure";
      const { departure: _, ...rest } = item;
      const taken: OutboxItem = { ...rest, sentAt: null, state: arrived ? "failed" : "waiting", error: arrived ? "no-ack" : null };
      update(core, ({ outbox }) => ({ outbox: [...outbox, taken] }));
      courier.keep(taken.id);
    } else if (item.text) {
      words.push(item.text);
      courier.drop(item.id);
    }
  }
  await courier.written();
  courier.pump();
  return words;
}
