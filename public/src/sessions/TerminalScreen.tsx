/** A terminal on screen: its header, and the terminal itself, loaded only now. */

import { lazy, Suspense, useCallback, useState } from "react";
import { useClient } from "~/app/client";
import { ScreenHeader } from "~/app/ScreenHeader";
import { useScreenAction } from "~/app/shortcuts";
import type { Panel } from "~/terminal/TerminalView";
import { common } from "~/text/common";
import { find as findText } from "~/text/find";
import { Menu, type MenuItem } from "~/ui/Menu";
import { Spinner } from "~/ui/icons";
import { sessionTitle, shortPath } from "./order";
import { useSessionMenu } from "./useSessionMenu";

const TerminalView = lazy(() => import("../terminal/TerminalView"));

export default function TerminalScreen({ sessionId }: { sessionId: string }) {
  const session = useClient((state) => state.sessions.get(sessionId));
  const { items, dialog } = useSessionMenu(sessionId);
  const [toolbar, setToolbar] = useState<HTMLElement | null>(null);
  const [panel, show] = useState<Panel>(null);
  useScreenAction("search", useCallback(() => (show("find"), true), []));
  if (!session) return null;
  const menu: MenuItem[] = [
    { label: findText.search, icon: "search", run: () => show("find") },
    { label: findText.links, icon: "link", run: () => show("links") },
    ...items,
  ];
  return (
    <>
      <ScreenHeader title={sessionTitle(session)} detail={shortPath(session)} actions={<><div ref={setToolbar} /><Menu items={menu} /></>} />
      <Suspense
        fallback={
          <div role="status" aria-label={common.loading} className="m-auto text-muted">
            <Spinner size={24} />
          </div>
        }
      >
        <TerminalView sessionId={sessionId} toolbar={toolbar} panel={panel} show={show} />
      </Suspense>
      {dialog}
    </>
  );
}
