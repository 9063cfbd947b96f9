/** The screens, each loaded on its own. */

import { loadChat } from "~/chat/load";
import { part } from "./part";

export const PairScreen = part(() => import("../pairing/PairScreen"));
export const SettingsScreen = part(() => import("../settings/SettingsScreen"));
export const DevicesScreen = part(() => import("../devices/DevicesScreen"));
export const NotificationsScreen = part(() => import("../notify/NotificationsScreen"));
export const ChatScreen = part(loadChat);
export const TerminalScreen = part(() => import("../sessions/TerminalScreen"));
/** The line beside the list, at a desk. */
export const Divider = part(() => import("./Divider"));
/** Without it there are no notices, and all else goes on. */
export const Toasts = part<{ update: boolean }>(() => import("./Toasts").catch(() => ({ default: () => null })));
