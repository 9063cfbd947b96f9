/** One session on screen: a conversation, a terminal, or the word that it has ended. */

import { lazy, useEffect, useRef } from "react";
import { isTerminal } from "~/store/sessions";
import { SUPERVISOR } from "~/store/state";
import { common } from "~/text/common";
import { sessions as text } from "~/text/sessions";
import { Button } from "~/ui/Button";
import { Spinner } from "~/ui/icons";
import { client, useClient } from "./client";
import { sawChat } from "./beside";
import { usePageVisible } from "./media";
import { ChatScreen, TerminalScreen } from "./parts";
import { goBack } from "./route";
import { Unreachable, useComing } from "./Unreachable";

const Ended = lazy(() => import("./Ended"));

export function SessionScreen({ sessionKey }: { sessionKey: string }) {
  const session = useClient((state) => state.sessions.get(sessionKey));
  const synced = useClient((state) => state.syncedAt !== null);
  const ended = useClient((state) => state.ended.has(sessionKey));
  const visible = usePageVisible();
  const exists = sessionKey === SUPERVISOR || session !== undefined || ended;

  useEffect(() => {
    if (!visible || !exists) return;
    client.watch(sessionKey);
    return () => client.watch(null);
  }, [sessionKey, visible, exists]);

  // A terminal that ends under its reader stays: what it printed last, and what was being typed.
  const was = useRef(session);
  was.current = session ?? was.current;
  const terminal = isTerminal(was.current);
  useEffect(() => {
    if (exists && !terminal) sawChat(sessionKey);
  }, [sessionKey, exists, terminal]);

  if (!exists && !terminal) return synced ? <Ended sessionKey={sessionKey} /> : <Looking />;
  return terminal ? <TerminalScreen sessionId={sessionKey} /> : <ChatScreen chatKey={sessionKey} />;
}

/** The list of sessions is not in yet, or cannot come. */
function Looking() {
  const coming = useComing();
  return (
    <section className="m-auto flex max-w-sm flex-col items-center gap-4 p-6 text-center text-muted" role="status">
      {coming ? <Spinner size={24} /> : <Unreachable />}
      {coming && <span className="sr-only">{common.loading}</span>}
      <Button look="quiet" icon="back" onClick={() => goBack()}>
        {text.title}
      </Button>
    </section>
  );
}
