/** What this client is: versions, licences, and the facts that a report of a fault needs. */

import { useEffect, useState } from "react";
import { client, useClient } from "~/app/client";
import { useCopy } from "~/app/clipboard";
import { useInstall } from "~/app/install";
import { common } from "~/text/common";
import { settings as text } from "~/text/settings";
import { language } from "~/text/words";
import { Button } from "~/ui/Button";

export function About() {
  const workstation = useClient((state) => state.workstationVersion);
  const server = useServerVersion();
  const install = useInstall();
  const { done, copy } = useCopy();
  const versions: [string, string][] = [
    [text.version, __VERSION__],
    [text.serverVersion, server || text.unknown],
    [text.workstationVersion, workstation || text.unknown],
  ];
  return (
    <>
      {install && (
        <div className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
          <p className="min-w-40 flex-1 text-sm text-muted">{text.installHint}</p>
          <Button look="primary" icon="plus" onClick={install}>
            {text.install}
          </Button>
        </div>
      )}
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1 py-3">
        {versions.map(([name, version]) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd className="min-w-0 [overflow-wrap:anywhere]">{version}</dd>
          </div>
        ))}
      </dl>
      <div className="flex flex-wrap items-center gap-2 py-2">
        <a href="./third-party.txt" target="_blank" rel="noopener" className="flex min-h-11 flex-1 items-center rounded-lg text-accent underline underline-offset-3">
          {text.licences}
        </a>
        <Button icon={done ? "check" : "copy"} onClick={() => copy(diagnostics(server))}>
          {done ? common.copied : text.diagnostics}
        </Button>
      </div>
    </>
  );
}

function useServerVersion(): string {
  const [version, setVersion] = useState("");
  useEffect(() => {
    const asked = fetch("./health").then((answer) => answer.json() as Promise<{ version?: unknown }>);
    asked.then((told) => setVersion(typeof told.version === "string" ? told.version : ""), () => {});
  }, []);
  return version;
}

/** No names, addresses, keys or words of anybody. */
function diagnostics(server: string): string {
  const { connection, workstationVersion, sessions, outbox, durable } = client.store.getState();
  const facts = {
    client: __VERSION__,
    server,
    workstation: workstationVersion,
    phase: connection.phase,
    why: connection.why,
    sessions: sessions.size,
    outbox: outbox.map(({ state }) => state),
    durable,
    secure: window.isSecureContext,
    worker: navigator.serviceWorker?.controller !== undefined && navigator.serviceWorker?.controller !== null,
    language: language(),
    browser: navigator.userAgent,
    window: `${innerWidth}x${innerHeight} at ${devicePixelRatio}`,
  };
  return JSON.stringify(facts, null, 2);
}
