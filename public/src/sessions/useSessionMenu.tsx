/** The actions that every session has, and the question before the one that cannot be undone. */

import { useState, type ReactNode } from "react";
import { client, useClient } from "~/app/client";
import { copyText } from "~/app/clipboard";
import { useOnce } from "~/app/once";
import { addressOf, goBack } from "~/app/route";
import { maySpeak, mayType } from "~/store/scope";
import { errorText } from "~/text/common";
import { sessions as text } from "~/text/sessions";
import { Confirm } from "~/ui/Dialog";
import type { MenuItem } from "~/ui/Menu";

export function useSessionMenu(sessionId: string): { items: MenuItem[]; dialog: ReactNode } {
  const session = useClient((state) => state.sessions.get(sessionId));
  const pinned = useClient((state) => state.pinned.has(sessionId));
  const mayEnd = useClient(session?.type === "terminal" ? mayType : maySpeak);
  const [asking, setAsking] = useState(false);
  const ending = useOnce(async () => {
    try {
      await client.terminateSession(sessionId);
      // The reader may have gone elsewhere meanwhile, or have ended a terminal beside a conversation.
      if (location.hash === addressOf({ name: "session", key: sessionId })) goBack();
    } catch (error) {
      client.notice("error", errorText(error));
    }
  });
  if (!session) return { items: [], dialog: null };
  const path = session.workingDir;
  return {
    items: [
      ...(path ? [{ label: text.copyPath, icon: "folder" as const, run: () => void copyText(path) }] : []),
      { label: pinned ? text.unpin : text.pin, icon: "pin", run: () => client.pin(sessionId, !pinned) },
      ...(mayEnd ? [{ label: text.terminate, icon: "trash" as const, danger: true, disabled: ending.busy, run: () => setAsking(true) }] : []),
    ],
    dialog: asking && (
      <Confirm
        title={text.terminateTitle}
        text={session.type === "terminal" ? text.terminateTerminal : text.terminateAgent}
        action={text.terminate}
        onConfirm={() => ending.run()}
        onClose={() => setAsking(false)}
      />
    ),
  };
}
