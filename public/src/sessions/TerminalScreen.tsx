/** A terminal on screen: its header, and the terminal itself, loaded only now. */

import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { client, useClient } from "~/app/client";
import { usePageVisible } from "~/app/media";
import { ScreenHeader } from "~/app/ScreenHeader";
import { closeBeside, openBeside, useRoomy } from "~/app/beside";
import { useScreenAction } from "~/app/shortcuts";
import type { Panel } from "~/terminal/TerminalView";
import { common } from "~/text/common";
import { find as findText } from "~/text/find";
import { sessions as text } from "~/text/sessions";
import { IconButton } from "~/ui/Button";
import { Menu, type MenuItem } from "~/ui/Menu";
import { Spinner } from "~/ui/icons";
import { sessionTitle, shortPath } from "./order";
import { useSessionMenu } from "./useSessionMenu";

const TerminalView = lazy(() => import("../terminal/TerminalView"));

interface TerminalScreenProps {
  sessionId: string;
  /** It stands beside a conversation, which has the shortcuts. */
  beside?: boolean;
}

export default function TerminalScreen({ sessionId, beside = false }: TerminalScreenProps) {
  const listed = useClient((state) => state.sessions.get(sessionId));
  /** As it was listed last: when it is gone, its last screen can still be read and copied. */
  const last = useRef(listed);
  last.current = listed ?? last.current;
  const session = last.current;
  const ended = listed === undefined;
  const { items, dialog } = useSessionMenu(sessionId);
  const [toolbar, setToolbar] = useState<HTMLElement | null>(null);
  const [panel, show] = useState<Panel>(null);
  const roomy = useRoomy();
  const visible = usePageVisible();
  useEffect(() => {
    if (beside && visible) client.read(sessionId);
  }, [beside, visible, sessionId]);
  if (!session) return null;
  const menu: MenuItem[] = [
    { label: findText.search, icon: "search", run: () => show("find") },
    { label: findText.links, icon: "link", run: () => show("links") },
    ...(roomy && !beside ? [{ label: text.beside, icon: "sidebar" as const, run: () => openBeside(sessionId) }] : []),
    ...items,
  ];
  return (
    <>
      <ScreenHeader title={sessionTitle(session)} detail={shortPath(session)} actions={<><div ref={setToolbar} /><Menu items={menu} />{beside && <IconButton icon="close" label={text.closeBeside} onClick={closeBeside} />}</>} />
      {ended && <p role="status" className="border-b border-line bg-sunken px-5 py-2 text-sm">{text.ended}</p>}
      <Suspense
        fallback={
          <div role="status" aria-label={common.loading} className="m-auto text-muted">
            <Spinner size={24} />
          </div>
        }
      >
        <TerminalView sessionId={sessionId} toolbar={toolbar} panel={panel} show={show} ended={ended} />
      </Suspense>
      {!beside && <SearchKey search={() => show("find")} />}
      {dialog}
    </>
  );
}

function SearchKey({ search }: { search(): void }) {
  useScreenAction("search", useCallback(() => (search(), true), []));
  return null;
}
