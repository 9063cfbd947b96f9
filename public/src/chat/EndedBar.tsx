/** In place of the composer, once the session is gone: that it is, and what was typed and not sent. */

import { client } from "~/app/client";
import { go } from "~/app/route";
import { SUPERVISOR } from "~/store/state";
import { sessions as text } from "~/text/sessions";
import { Button } from "~/ui/Button";
import { Unsent } from "./Unsent";

export default function EndedBar({ chatKey }: { chatKey: string }) {
  const handOver = (words: string) => {
    const there = client.store.getState().drafts.get(SUPERVISOR) ?? "";
    client.draft(SUPERVISOR, [there, words].filter((each) => each.trim()).join("\n"));
    client.draft(chatKey, "");
    go({ name: "session", key: SUPERVISOR });
  };
  return (
    <section data-foot aria-label={text.ended} className="border-t border-line bg-bg px-4 pt-3 pb-[max(0.75rem,var(--safe-bottom))]">
      <div className="mx-auto w-full max-w-3xl">
        <h2 className="font-medium">{text.ended}</h2>
        <p className="text-sm text-muted">{text.endedHint}</p>
        <Unsent chatKey={chatKey}>
          {(words) => (
            <Button icon="spark" onClick={() => handOver(words)}>
              {text.handOver}
            </Button>
          )}
        </Unsent>
      </div>
    </section>
  );
}
