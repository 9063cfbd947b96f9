/** What was typed for sessions that are gone: their rows are no longer in the list, the words are. */

import { useMemo } from "react";
import { sessionTitle } from "~/sessions/order";
import { unsentOf } from "~/store/drafts";
import { sessions as text } from "~/text/sessions";
import { Icon } from "~/ui/icons";
import { useClient } from "./client";
import { addressOf } from "./route";

export default function Drafts({ current, wide }: { current: string | null; wide: boolean }) {
  const drafts = useClient((state) => state.drafts);
  const sessions = useClient((state) => state.sessions);
  const ended = useClient((state) => state.ended);
  const Kind = wide ? "h3" : "h2";
  const unsent = useMemo(() => unsentOf({ drafts, sessions }), [drafts, sessions]);
  return (
    <section aria-label={text.unsent} className="mb-3">
      <Kind className="px-3 pt-1 pb-1 text-xs font-medium text-muted">{text.unsent}</Kind>
      <ul>
        {unsent.map(([key, words]) => (
          <li key={key}>
            <a
              href={addressOf({ name: "session", key })}
              aria-current={key === current ? "page" : undefined}
              className="flex min-h-14 items-center gap-3 rounded-xl px-3 py-2 hover:bg-hover aria-[current=page]:bg-accent-soft"
            >
              <Icon name="pencil" size={18} className="mx-2 text-muted" />
              <span className="min-w-0 flex-1">
                <span dir="auto" className="block truncate font-medium">{titleOf(ended.get(key))}</span>
                <span dir="auto" className="block truncate text-[0.8125rem] text-muted">{words}</span>
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

const titleOf = (session: Parameters<typeof sessionTitle>[0] | undefined) => (session ? sessionTitle(session) : text.ended);
