/** Which chat the parts below belong to. */

import { createContext, useContext } from "react";
import { SUPERVISOR } from "~/store/state";

export const ChatKeyContext = createContext(SUPERVISOR);
export const useChatKey = (): string => useContext(ChatKeyContext);
