/** Which chat the parts below belong to, and who answers in it. */

import { createContext, useContext } from "react";
import { useClient } from "~/app/client";
import { agentName } from "~/sessions/order";
import { SUPERVISOR } from "~/store/state";
import { common } from "~/text/common";
import { typeName } from "~/text/sessions";

export const ChatKeyContext = createContext(SUPERVISOR);
export const useChatKey = (): string => useContext(ChatKeyContext);

export function useSpeaker(): string {
  const key = useChatKey();
  return useClient((state) => {
    if (key === SUPERVISOR) return common.supervisor;
    const session = state.sessions.get(key) ?? state.ended.get(key);
    return session ? agentName(session) : typeName("agent");
  });
}
