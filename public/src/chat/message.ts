/** The message that the parts below belong to. */

import { createContext, useContext } from "react";
import type { ChatMessage } from "~/store/state";

export const MessageContext = createContext<ChatMessage | null>(null);

export function useMessage(): ChatMessage {
  const message = useContext(MessageContext);
  if (!message) throw new Error("a part outside of a message");
  return message;
}
