/** Sends what is in a chat's field at a moment to come. */

import { client } from "~/app/client";
import { reached } from "./reached";
import { SendAt } from "./SendAt";

export default function SendLater({ chatKey, onClose }: { chatKey: string; onClose(): void }) {
  const draft = client.store.getState().drafts.get(chatKey) ?? "";
  const send = async (at: number) => {
    if (!(await reached(client.sendAt(chatKey, draft, at)))) return;
    // What was typed while the server answered stays.
    const now = client.store.getState().drafts.get(chatKey) ?? "";
    client.draft(chatKey, now.startsWith(draft) ? now.slice(draft.length).trimStart() : now);
  };
  return <SendAt words={draft} onSend={(at) => void send(at)} onClose={onClose} />;
}
