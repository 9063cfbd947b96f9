/** Beside the pairing form on a desk: how to come to a workstation, and how to go on with a phone. */

import { useCopy } from "~/app/clipboard";
import { QrCode } from "~/devices/QrCode";
import { common } from "~/text/common";
import { pairing as text } from "~/text/pairing";
import { IconButton } from "~/ui/Button";

/** Addresses that lead a phone to itself. */
const HERE = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export default function AtDesk({ address }: { address: string }) {
  const { done, copy } = useCopy();
  const command = `tiflis demo --url ${address}`;
  const page = `${location.origin}${location.pathname}`;
  return (
    <>
      <section>
        <h2 className="font-semibold">{text.tryTitle}</h2>
        <p className="mt-1 text-sm text-muted">{text.tryText}</p>
        <div className="mt-2 flex items-center rounded-xl border border-line bg-sunken">
          <code tabIndex={0} className="min-w-0 flex-1 overflow-x-auto px-3 py-2 font-mono text-xs whitespace-nowrap">
            {command}
          </code>
          <IconButton icon={done ? "check" : "copy"} size={17} label={done ? common.copied : text.copyCommand} onClick={() => copy(command)} />
        </div>
      </section>
      {!HERE.test(location.hostname) && (
        <section>
          <h2 className="font-semibold">{text.phoneTitle}</h2>
          <p className="mt-1 mb-3 text-sm text-muted">{text.phoneText}</p>
          <QrCode text={page} label={text.phoneCode(page)} />
        </section>
      )}
    </>
  );
}
