/** Words of notifications and of the page's title. */

import { words } from "./words";

export const notifyText = words("notifyText", {
  title: "Tiflis",
  answerDone: (who: string) => `${who} has answered`,
  needsYou: (who: string) => `${who} needs you`,
  failed: (who: string) => `${who} has failed`,
  bell: (who: string) => `${who} rings`,
  supervisor: "The supervisor",
  session: "The agent",
} as const);
