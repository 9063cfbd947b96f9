/** Sends what is in a chat's field at a moment to come. */

import { client } from "~/app/client";
import { reached } from "./reached";
import { SendAt } from "./SendAt";

export default function SendLater({ chatKey, onClose }: { chatKey: string; onClose(): void }) {
  const draft = client.store.getState().drafts.get(chatKey) ?? "";
  const send = async (at: number) => {
    if (await reached(client.sendAt(chatKey, draft, at))) client.draft(chatKey, "");
  };
  return <SendAt words={draft} onSend={(at) => void send(at)} onClose={onClose} />;
}
