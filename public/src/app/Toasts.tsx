/** Short notices above the composer, or in the sheet that is open; they take nothing away and go by themselves. */

import { useEffect, useLayoutEffect, useState, type CSSProperties } from "react";
import { createPortal } from "react-dom";
import { common, errors } from "~/text/common";
import { boundary } from "~/text/settings";
import { IconButton } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import { withoutControls } from "~/protocol/controls";
import type { Notice } from "~/store/state";
import { client, useClient } from "./client";

const SHOWN_FOR = { info: 4_000, error: 9_000 };

export default function Toasts({ update }: { update: boolean }) {
  const notices = useClient((state) => state.notices);
  const { place, sheet } = useAbove("[data-foot], .terminal-foot, .terminal-bottom, .recorder-trouble", notices.length > 0 || update);
  useEffect(() => {
    // What was said on one screen is no news on the next; what went wrong may be.
    const forget = () => client.store.getState().notices.forEach(({ id, kind }) => kind === "info" && client.dismiss(id));
    window.addEventListener("hashchange", forget);
    return () => window.removeEventListener("hashchange", forget);
  }, []);
  const all = (
    <div role="status" aria-live="polite" style={place} className="pointer-events-none fixed z-20 flex flex-col items-center gap-2 px-3">
      {update && (
        <div className="pointer-events-auto flex items-center gap-2 rounded-xl border border-line bg-raised py-1 pr-1 pl-4 shadow-high">
          <span>{boundary.update}</span>
          <button type="button" className="min-h-11 rounded-lg px-3 font-medium text-accent hover:bg-hover" onClick={() => location.reload()}>
            {boundary.updateNow}
          </button>
        </div>
      )}
      {(sheet ? notices.slice(-1) : notices).map((notice) => (
        <Toast key={notice.id} notice={notice} />
      ))}
    </div>
  );
  return sheet ? createPortal(all, sheet) : all;
}

/**
 * Where to stand: right above the highest part of the screen's foot, as wide as it, wherever it moves. Below a sheet
 * that is open it would not be seen; there it stands beside it, within the sheet's element.
 */
function useAbove(selector: string, shown: boolean): { place: CSSProperties; sheet: Element | null } {
  const [place, setPlace] = useState<CSSProperties>(AT_THE_EDGE);
  const [sheet, setSheet] = useState<Element | null>(null);
  useLayoutEffect(() => {
    if (!shown) return;
    const follow = () => {
      const open = [...document.querySelectorAll("dialog:modal")].at(-1) ?? null;
      setSheet(open);
      const boxes = [...document.querySelectorAll(selector)].map((each) => each.getBoundingClientRect()).filter((box) => box.height > 0);
      const next = open ? beside(open.getBoundingClientRect()) : boxes.length === 0 ? AT_THE_EDGE : above(boxes);
      setPlace((before) => (before.bottom === next.bottom && before.top === next.top && before.left === next.left && before.width === next.width ? before : next));
    };
    follow();
    const timer = setInterval(follow, FOLLOWED_EVERY);
    return () => clearInterval(timer);
  }, [selector, shown]);
  return { place, sheet: sheet?.isConnected ? sheet : null };
}

/** Milliseconds; the composer grows while one types. */
const FOLLOWED_EVERY = 150;
const AT_THE_TOP: CSSProperties = { left: 0, width: "100%", top: "calc(var(--app-top, 0px) + max(0.75rem, var(--safe-top)))" };
const AT_THE_EDGE: CSSProperties = { left: 0, width: "100%", bottom: "max(0.75rem, var(--safe-bottom))" };

/** Pixels that a notice takes, and that make a foot of the screen. */
const ROOM = 72;
const WIDE = 200;

function above(boxes: DOMRect[]): CSSProperties {
  const top = Math.min(...boxes.map((box) => box.top));
  const widest = boxes.filter(({ width }) => width >= WIDE).sort((a, b) => b.width - a.width)[0];
  return { left: widest?.left ?? 0, width: widest?.width ?? "100%", bottom: innerHeight - top + 8 };
}

/** Above a sheet, below one that reaches to the top, and over one that leaves no room. */
function beside({ top, bottom }: DOMRect): CSSProperties {
  if (top >= ROOM) return { left: 0, width: "100%", bottom: innerHeight - top + 8 };
  return innerHeight - bottom >= ROOM ? { left: 0, width: "100%", top: bottom + 8 } : AT_THE_TOP;
}

function Toast({ notice }: { notice: Notice }) {
  useEffect(() => {
    const timer = setTimeout(() => client.dismiss(notice.id), SHOWN_FOR[notice.kind]);
    return () => clearTimeout(timer);
  }, [notice]);
  const error = notice.kind === "error";
  return (
    <div data-notice={notice.kind} className="animate-rise pointer-events-auto flex max-w-md items-center gap-2.5 rounded-xl border border-line bg-raised py-1 pr-1 pl-3.5 shadow-high">
      <Icon name={error ? "alert" : "check"} size={18} className={error ? "text-danger" : "text-ok"} />
      <span className="min-w-0 flex-1 py-2 text-sm [overflow-wrap:anywhere] [unicode-bidi:plaintext]">{errors[notice.text] ?? withoutControls(notice.text)}</span>
      <IconButton icon="close" label={common.dismiss} size={16} onClick={() => client.dismiss(notice.id)} />
    </div>
  );
}
