/** The place of a session that is gone and of which nothing is kept here but, perhaps, what was typed for it. */

import EndedBar from "~/chat/EndedBar";
import { sessions as text } from "~/text/sessions";
import { Button } from "~/ui/Button";
import { Icon } from "~/ui/icons";
import { useClient } from "./client";
import { goBack } from "./route";

export default function Ended({ sessionKey }: { sessionKey: string }) {
  const unsent = useClient((state) => Boolean(state.drafts.get(sessionKey)?.trim()));
  return (
    <>
      <section className="m-auto flex max-w-sm flex-col items-center gap-2 p-6 text-center">
        <span className="mb-2 flex size-14 items-center justify-center rounded-2xl bg-sunken text-muted">
          <Icon name="check" size={26} />
        </span>
        <h1 className="text-lg font-semibold">{text.ended}</h1>
        <p className="text-muted">{text.endedHint}</p>
        <Button className="mt-3" icon="back" onClick={() => goBack()}>
          {text.title}
        </Button>
      </section>
      {unsent && <EndedBar chatKey={sessionKey} />}
    </>
  );
}
