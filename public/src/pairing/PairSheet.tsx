/** Asks before a pairing, tries it, and ends in "paired" or in the reason why not; nothing is kept before. */

import { useEffect, useRef, useState } from "react";
import { client, useClient } from "~/app/client";
import { useWorkstationName, whyOf } from "~/app/ConnectionCard";
import type { PairingData } from "~/protocol/pairing";
import type { Probe } from "~/store/client";
import type { ConnectionState, Phase } from "~/store/state";
import { common, errorText } from "~/text/common";
import { phases, reasons } from "~/text/connection";
import { pairing as text } from "~/text/pairing";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { Icon, Spinner } from "~/ui/icons";

const TAKEN = new Set<Phase>(["authenticated", "verified", "degraded"]);
const FAILED = new Set<Phase>(["workstation_offline", "disconnected", "refused"]);

interface PairSheetProps {
  data: PairingData;
  name: string;
  /** Not asked, but tried at once. */
  typed: boolean;
  onDone(): void;
  onClose(): void;
}

export function PairSheet({ data, name, typed, onDone, onClose }: PairSheetProps) {
  const [agreed, setAgreed] = useState(typed);
  const known = useClient((state) => state.workstations.find((each) => each.tunnelId === data.tunnelId && each.url === data.url));
  const shownName = name || known?.name || data.tunnelId;
  const { host } = new URL(data.url);
  const { why, retry } = useTrying(agreed ? data : null, name, onDone);
  return (
    <Dialog
      title={text.ask(shownName, host)}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          {!agreed && (
            <Button look="primary" onClick={() => setAgreed(true)}>
              {text.pair}
            </Button>
          )}
          {agreed && (
            <Button look="primary" icon="refresh" disabled={why === null} onClick={retry}>
              {common.retry}
            </Button>
          )}
        </>
      }
    >
      {!agreed ? <Question host={host} replaces={known ? shownName : ""} /> : why === null ? <Waiting /> : <Reason why={why} />}
    </Dialog>
  );
}

/** `replaces`: the name of the workstation that this browser is already paired with by another key. */
function Question({ host, replaces }: { host: string; replaces: string }) {
  const others = useClient((state) => state.workstations.length > 0);
  const current = useWorkstationName();
  return (
    <div className="space-y-2 [overflow-wrap:anywhere]">
      {host !== location.host && <p className="rounded-xl bg-warn-soft px-4 py-3 text-sm">{text.foreign(location.host)}</p>}
      <p className="text-muted">{text.askText}</p>
      {replaces && <p className="rounded-xl bg-warn-soft px-4 py-3 text-sm">{text.replaces(replaces)}</p>}
      {others && !replaces && <p className="text-muted">{text.switches(current)}</p>}
    </div>
  );
}

function Waiting() {
  return (
    <p role="status" className="flex items-center gap-3 py-2 text-muted">
      <Spinner /> {text.trying}
    </p>
  );
}

function Reason({ why }: { why: Trouble }) {
  return (
    <div role="alert" className="flex gap-3 rounded-xl bg-danger-soft px-4 py-3">
      <Icon name="alert" className="mt-0.5 text-danger" />
      <div className="min-w-0">
        <p className="font-medium">{why.title}</p>
        {why.text && <p className="text-sm">{why.text}</p>}
      </div>
    </div>
  );
}

interface Trouble {
  title: string;
  text: string;
}

/** Tries as long as the sheet is open; a refused key is tried again only when asked. `why` is null while nothing is wrong. */
function useTrying(data: PairingData | null, name: string, onDone: () => void): { why: Trouble | null; retry(): void } {
  const [why, setWhy] = useState<Trouble | null>(null);
  const [turn, setTurn] = useState(0);
  const done = useRef(onDone);
  done.current = onDone;
  useEffect(() => {
    if (!data) return;
    setWhy(null);
    let probe: Probe | null = null;
    const taken = async () => {
      probe?.stop();
      try {
        await client.pair(data, name);
        done.current();
      } catch (error) {
        setWhy({ title: text.notYet, text: errorText(error) });
      }
    };
    const changed = (connection: ConnectionState) => {
      if (TAKEN.has(connection.phase)) void taken();
      // What comes between two attempts is no news.
      if (FAILED.has(connection.phase)) setWhy(troubleOf(connection));
      if (connection.phase === "refused") probe?.stop();
    };
    probe = client.probe(data, changed);
    return () => probe?.stop();
  }, [data, name, turn]);
  return { why, retry: () => setTurn((before) => before + 1) };
}

function troubleOf(connection: ConnectionState): Trouble {
  const why = connection.phase === "workstation_offline" ? text.offline : (reasons[whyOf(connection)] ?? "");
  return { title: phases[connection.phase], text: why };
}
