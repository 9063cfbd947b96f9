/** A terminal on screen: its header, and the terminal itself, loaded only now. */

import { lazy, Suspense, useState } from "react";
import { useClient } from "~/app/client";
import { ScreenHeader } from "~/app/ScreenHeader";
import { common } from "~/text/common";
import { Menu } from "~/ui/Menu";
import { Spinner } from "~/ui/icons";
import { sessionTitle, shortPath } from "./order";
import { useSessionMenu } from "./useSessionMenu";

const TerminalView = lazy(() => import("../terminal/TerminalView"));

export default function TerminalScreen({ sessionId }: { sessionId: string }) {
  const session = useClient((state) => state.sessions.get(sessionId));
  const { items, dialog } = useSessionMenu(sessionId);
  const [toolbar, setToolbar] = useState<HTMLElement | null>(null);
  if (!session) return null;
  return (
    <>
      <ScreenHeader title={sessionTitle(session)} detail={shortPath(session)} actions={<><div ref={setToolbar} /><Menu items={items} /></>} />
      <Suspense
        fallback={
          <div role="status" aria-label={common.loading} className="m-auto text-muted">
            <Spinner size={24} />
          </div>
        }
      >
        <TerminalView sessionId={sessionId} toolbar={toolbar} />
      </Suspense>
      {dialog}
    </>
  );
}
