/** Short notices at the edge of the screen; they take nothing away and go by themselves. */

import { useEffect } from "react";
import { common, errors } from "~/text/common";
import { boundary } from "~/text/settings";
import { IconButton } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import type { Notice } from "~/store/state";
import { client, useClient } from "./client";

const SHOWN_FOR = { info: 4_000, error: 9_000 };

export function Toasts({ update }: { update: boolean }) {
  const notices = useClient((state) => state.notices);
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-0 top-[max(0.75rem,var(--safe-top))] z-50 flex flex-col items-center gap-2 px-3"
    >
      {update && (
        <div className="pointer-events-auto flex items-center gap-2 rounded-xl border border-line bg-raised py-1 pr-1 pl-4 shadow-high">
          <span>{boundary.update}</span>
          <button type="button" className="min-h-11 rounded-lg px-3 font-medium text-accent hover:bg-hover" onClick={() => location.reload()}>
            {boundary.updateNow}
          </button>
        </div>
      )}
      {notices.map((notice) => (
        <Toast key={notice.id} notice={notice} />
      ))}
    </div>
  );
}

function Toast({ notice }: { notice: Notice }) {
  useEffect(() => {
    const timer = setTimeout(() => client.dismiss(notice.id), SHOWN_FOR[notice.kind]);
    return () => clearTimeout(timer);
  }, [notice]);
  const error = notice.kind === "error";
  return (
    <div className="animate-rise pointer-events-auto flex max-w-md items-center gap-2.5 rounded-xl border border-line bg-raised py-1 pr-1 pl-3.5 shadow-high">
      <Icon name={error ? "alert" : "check"} size={18} className={error ? "text-danger" : "text-ok"} />
      <span className="min-w-0 flex-1 py-2 text-sm">{errors[notice.text] ?? notice.text}</span>
      <IconButton icon="close" label={common.dismiss} size={16} onClick={() => client.dismiss(notice.id)} />
    </div>
  );
}
