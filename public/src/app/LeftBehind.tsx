/** Offers to send from here what waits at an earlier pairing with the same workstation. */

import { useState } from "react";
import { errorText } from "~/text/common";
import { connection as text } from "~/text/connection";
import { Button } from "~/ui/Button";
import { client, useClient } from "./client";
import { nameOf, useWorkstationName } from "./ConnectionCard";
import { useOnce } from "./once";

/** Words that wait at an entry of the same name: after a change of keys that is this workstation's old self. */
export default function LeftBehind() {
  const waiting = useClient((state) => state.waitingElsewhere);
  const name = useWorkstationName();
  const synced = useClient((state) => state.syncedAt !== null);
  const old = useClient((state) => state.workstations.find((each) => each.id !== state.current && waiting.has(each.id) && nameOf(each, "") === name));
  const [dismissed, setDismissed] = useState("");
  const adopting = useOnce((id: string) => client.adopt(id).catch((error: unknown) => client.notice("error", errorText(error))));
  if (!old || !synced || dismissed === old.id) return null;
  return (
    <section aria-label={text.leftBehind} className="mt-2 rounded-xl bg-warn-soft px-3 py-2 text-sm">
      <p className="[overflow-wrap:anywhere]">{text.leftBehindText(waiting.get(old.id) ?? 0, nameOf(old, ""))}</p>
      <div className="mt-1 flex gap-2">
        <Button icon="send" disabled={adopting.busy} onClick={() => adopting.run(old.id)}>
          {text.adopt}
        </Button>
        <Button look="quiet" onClick={() => setDismissed(old.id)}>
          {text.notNow}
        </Button>
      </div>
    </section>
  );
}
