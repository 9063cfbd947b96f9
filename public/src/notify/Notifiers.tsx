/** Addresses outside the browser that the server notifies too: for phones whose app has no push. Their owner sees them. */

import { useEffect, useState, type FormEvent } from "react";
import { client } from "~/app/client";
import { RequestFailed } from "~/connection/requests";
import { list, text as fieldText } from "~/protocol/fields";
import { errorText } from "~/text/common";
import { push as text } from "~/text/push";
import { Button } from "~/ui/Button";
import { TextField } from "~/ui/fields";

const PATH = "api/v1/push/notifiers";
/** As many as the server takes. */
const MOST = 4;

export function Notifiers() {
  const [addresses, setAddresses] = useState<string[] | null>(null);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    let here = true;
    // Who may not see them, or has a server without them, gets no section.
    client.ask("GET", PATH).then(
      ({ notifiers }) => here && setAddresses(list(notifiers).map(fieldText)),
      () => undefined,
    );
    return () => void (here = false);
  }, []);
  const store = async (next: string[], secret?: string): Promise<boolean> => {
    setTrouble("");
    try {
      await client.ask("POST", PATH, { notifiers: next, ...(secret && { secret }) });
      setAddresses(next);
      return true;
    } catch (error) {
      setTrouble(error instanceof RequestFailed && error.code === "INVALID_PAYLOAD" ? text.notifierWrong : errorText(error));
      return false;
    }
  };
  if (addresses === null) return null;
  return (
    <section>
      <h2 className="mb-2 px-1 text-sm font-semibold text-muted">{text.notifiers}</h2>
      <div className="divide-y divide-line rounded-2xl border border-line bg-surface px-4 py-1 shadow-low">
        <p className="py-2 text-sm text-muted">{text.notifiersHint}</p>
        {addresses.map((address) => (
          <div key={address} className="flex items-center gap-3 py-2">
            <span className="min-w-0 flex-1 break-all text-sm">{address}</span>
            <Button aria-label={text.removeNotifier(address)} onClick={() => void store(addresses.filter((each) => each !== address))}>
              {text.remove}
            </Button>
          </div>
        ))}
        {addresses.length < MOST && <Another trouble={trouble} add={(address, secret) => store([...addresses, address], secret)} />}
      </div>
    </section>
  );
}

function Another({ trouble, add }: { trouble: string; add(address: string, secret: string): Promise<boolean> }) {
  const [address, setAddress] = useState("");
  const [secret, setSecret] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await add(address.trim(), secret)) {
      setAddress("");
      setSecret("");
    }
  };
  return (
    <form className="space-y-3 py-3" onSubmit={(event) => void submit(event)}>
      <TextField label={text.notifier} hint={text.notifierHint} error={trouble} value={address} inputMode="url" autoComplete="off" onChange={(event) => setAddress(event.target.value)} />
      {address.startsWith("webhook") && (
        <TextField label={text.secret} hint={text.secretHint} type="password" value={secret} autoComplete="off" onChange={(event) => setSecret(event.target.value)} />
      )}
      <Button type="submit" disabled={!address.trim()}>
        {text.addNotifier}
      </Button>
    </form>
  );
}
