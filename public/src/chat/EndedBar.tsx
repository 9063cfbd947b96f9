/** In place of the composer, once the session is gone: that it is, and what was typed and not sent. */

import { client, useClient } from "~/app/client";
import { useCopy } from "~/app/clipboard";
import { go } from "~/app/route";
import { SUPERVISOR } from "~/store/state";
import { common } from "~/text/common";
import { sessions as text } from "~/text/sessions";
import { Button } from "~/ui/Button";

export default function EndedBar({ chatKey }: { chatKey: string }) {
  const draft = useClient((state) => state.drafts.get(chatKey)?.trim() ?? "");
  const { done, copy } = useCopy();
  const handOver = () => {
    const there = client.store.getState().drafts.get(SUPERVISOR) ?? "";
    client.draft(SUPERVISOR, [there, draft].filter((words) => words.trim()).join("\n"));
    client.draft(chatKey, "");
    go({ name: "session", key: SUPERVISOR });
  };
  return (
    <section data-foot aria-label={text.ended} className="border-t border-line bg-bg px-4 pt-3 pb-[max(0.75rem,var(--safe-bottom))]">
      <div className="mx-auto w-full max-w-3xl">
        <h2 className="font-medium">{text.ended}</h2>
        <p className="text-sm text-muted">{text.endedHint}</p>
        {draft && (
          <>
            <p className="mt-3 text-sm font-medium">{text.unsent}</p>
            <blockquote dir="auto" className="mt-1 max-h-32 overflow-y-auto rounded-xl bg-sunken px-3 py-2 text-sm whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
              {draft}
            </blockquote>
            <div className="mt-2 flex flex-wrap gap-2">
              <Button icon="spark" onClick={handOver}>
                {text.handOver}
              </Button>
              <Button icon={done ? "check" : "copy"} onClick={() => copy(draft)}>
                {done ? common.copied : common.copy}
              </Button>
              <Button look="quiet" onClick={() => client.draft(chatKey, "")}>
                {common.delete}
              </Button>
            </div>
          </>
        )}
      </div>
    </section>
  );
}
