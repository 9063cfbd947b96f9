/** The bar above a screen: back on a phone, title, state in one line, actions. */

import type { ReactNode } from "react";
import { common } from "~/text/common";
import { IconButton } from "~/ui/Button";
import { ConnectionStrip } from "./ConnectionStrip";
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
  return (
    <>
      <header className={`flex min-h-14 items-center gap-1 border-b border-line bg-bg pt-[var(--safe-top)] pr-2 ${wide && !up ? "pl-5" : "pl-1"}`}>
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
