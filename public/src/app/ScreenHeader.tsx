/** The bar above a screen: back on a phone, title, state in one line, actions. */

import type { ReactNode } from "react";
import { common } from "~/text/common";
import { sessions } from "~/text/sessions";
import { IconButton } from "~/ui/Button";
import { useClient } from "./client";
import { ConnectionStrip } from "./ConnectionStrip";
import { fold } from "./listWidth";
import { useWide } from "./media";
import { goBack, type Route } from "./route";

interface ScreenHeaderProps {
  title: string;
  detail?: ReactNode;
  actions?: ReactNode;
  /** One step up from here; the list of sessions if not given. */
  up?: Route;
}

export function ScreenHeader({ title, detail, actions, up }: ScreenHeaderProps) {
  const wide = useWide();
  const folded = useClient((state) => state.settings.sidebarFolded) && wide;
  return (
    <>
      <header className={`flex min-h-14 items-center gap-1 border-b border-line bg-bg pt-[var(--safe-top)] pr-2 ${wide && !up && !folded ? "pl-5" : "pl-1"}`}>
        {folded && <IconButton icon="sidebar" label={sessions.show} onClick={() => fold(false)} />}
        {(!wide || up) && <IconButton icon="back" label={common.back} onClick={() => goBack(up)} />}
        <div className="min-w-0 flex-1 py-1.5">
          <h1 dir="auto" className="truncate leading-tight font-semibold">{title}</h1>
          {detail && <div className="truncate text-[0.8125rem] leading-tight text-muted">{detail}</div>}
        </div>
        {actions}
      </header>
      <ConnectionStrip />
    </>
  );
}
