/** Pairing by the code that a paired device shows: the server exchanges it for the pairing data, once. */

import { useState, type FormEvent } from "react";
import { client } from "~/app/client";
import { RequestFailed } from "~/connection/requests";
import { readCode, readRedeemed } from "~/devices/devices";
import { socketUrl, type PairingData } from "~/protocol/pairing";
import { errorText } from "~/text/common";
import { devices as text } from "~/text/devices";
import { pairing as pairingText } from "~/text/pairing";
import { Button } from "~/ui/Button";
import { TextField } from "~/ui/fields";
import { Spinner } from "~/ui/icons";

interface ByCodeProps {
  /** The server's WebSocket address that is offered first. */
  address: string;
  onPair(data: PairingData): void;
}

export default function ByCode({ address, onPair }: ByCodeProps) {
  const [fields, setFields] = useState({ code: "", url: address });
  const [wrong, setWrong] = useState<{ code?: string; url?: string }>({});
  const [busy, setBusy] = useState(false);
  const bind = (name: "code" | "url") => ({
    value: fields[name],
    error: wrong[name],
    onChange: (event: { target: { value: string } }) => (setWrong({}), setFields({ ...fields, [name]: event.target.value })),
    autoComplete: "off",
    spellCheck: false,
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const [code, url] = [readCode(fields.code), socketUrl(fields.url)];
    if (!code) return setWrong({ code: text.codeWrong });
    if (!url) return setWrong({ url: pairingText.problems["bad-url"] });
    if (busy) return;
    setBusy(true);
    try {
      const data = readRedeemed(await client.redeem(url, code));
      if (data) onPair(data);
      else setWrong({ code: text.codeUnknown });
    } catch (error) {
      setWrong({ code: wordsFor(error) });
    }
    setBusy(false);
  };
  return (
    <form className="space-y-4" onSubmit={(event) => void submit(event)} noValidate>
      <p className="text-sm text-muted">{text.codeLead}</p>
      <TextField
        label={text.code}
        placeholder={text.codePlaceholder}
        {...bind("code")}
        autoCapitalize="characters"
        maxLength={20}
        className="font-mono text-lg tracking-widest uppercase placeholder:tracking-widest"
      />
      <TextField label={pairingText.url} inputMode="url" autoCapitalize="off" {...bind("url")} />
      <Button type="submit" look="primary" className="w-full" disabled={busy}>
        {busy && <Spinner />}
        {pairingText.pair}
      </Button>
    </form>
  );
}

function wordsFor(error: unknown): string {
  const code = error instanceof RequestFailed ? error.code : "";
  if (code === "RATE_LIMITED" || code === "offline") return errorText(error);
  return code === "unsupported" ? text.problems.unsupported! : text.codeUnknown;
}
