/** A line that opens into more; closed it costs the page nothing. */

import { useId, type ReactNode } from "react";
import { Icon } from "~/ui/icons";
import { useFoundIn } from "../finding";
import { useRemembered } from "../remembered";

interface DisclosureProps {
  /** Tells it from the others of its message. */
  name: string;
  summary: ReactNode;
  /** Open until the reader closes it. */
  opened?: boolean;
  /** Its text: it opens by itself when the search finds its words there. */
  text(): string;
  children(): ReactNode;
}

export function Disclosure({ name, summary, opened = false, text, children }: DisclosureProps) {
  const [chosen, choose] = useRemembered(name);
  const found = useFoundIn(text);
  const open = chosen ?? (opened || found);
  const id = useId();
  return (
    <div className="fold rounded-xl border border-line bg-surface">
      <button
        type="button"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => choose(!open)}
        className="flex min-h-11 w-full items-center gap-2.5 rounded-xl px-3 text-left text-sm hover:bg-hover"
      >
        {summary}
        <Icon name={open ? "up" : "down"} size={15} className="text-muted" />
      </button>
      {open && (
        <div id={id} className="border-t border-line px-3 py-2.5">
          {children()}
        </div>
      )}
    </div>
  );
}
