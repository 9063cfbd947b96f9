/** The links in a terminal's output, the newest first: a tap asks and opens, a button copies. */

import { useState } from "react";
import { useCopy } from "~/app/clipboard";
import { find as text } from "~/text/find";
import { Button, IconButton } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { LISTED, openNamed } from "./links";

interface LinksSheetProps {
  /** Reads the links; called once, when the sheet opens. */
  links(): string[];
  close(): void;
}

export default function LinksSheet({ links, close }: LinksSheetProps) {
  const [found] = useState(links);
  return (
    <Dialog title={text.links} onClose={close} wide>
      {found.length === 0 && <p className="text-sm text-muted">{text.noLinks}</p>}
      {found.length === LISTED && <p className="mb-2 text-sm text-muted">{text.newest(LISTED)}</p>}
      <ul>
        {found.map((address) => (
          <Row key={address} address={address} />
        ))}
      </ul>
    </Dialog>
  );
}

function Row({ address }: { address: string }) {
  const { done, copy } = useCopy();
  return (
    <li className="flex items-center gap-1">
      <Button look="quiet" icon="link" className="min-w-0 flex-1 justify-start px-2 py-2 text-left" aria-label={text.open(address)} onClick={() => openNamed(address)}>
        <span dir="ltr" className="min-w-0 font-mono text-sm [overflow-wrap:anywhere]">
          {address}
        </span>
      </Button>
      <IconButton icon={done ? "check" : "copy"} size={17} label={text.copy(address)} onClick={() => copy(address)} />
    </li>
  );
}
