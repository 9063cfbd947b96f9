/** Where the keys of the row are put in another order: choose one, then move it. */

import { useState } from "react";
import { common } from "~/text/common";
import { terminalText as text } from "~/text/terminal";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { moved, type RowItem, USUAL } from "./order";

export interface OrderSheetProps {
  order: readonly RowItem[];
  change(order: readonly RowItem[]): void;
  close(): void;
}

export default function OrderSheet({ order, change, close }: OrderSheetProps) {
  const [chosen, setChosen] = useState<RowItem>(order[0]!);
  const at = order.indexOf(chosen);
  const move = (by: -1 | 1): void => change(moved(order, chosen, by));
  return (
    <Dialog
      title={text.order}
      onClose={close}
      footer={
        <>
          <Button look="quiet" className="mr-auto" onClick={() => change(USUAL)}>
            {text.usualOrder}
          </Button>
          <Button icon="back" aria-label={text.earlier} disabled={at === 0} onClick={() => move(-1)} />
          <Button icon="forward" aria-label={text.later} disabled={at === order.length - 1} onClick={() => move(1)} />
          <Button look="primary" onClick={close}>
            {common.close}
          </Button>
        </>
      }
    >
      <p className="mb-3 text-sm text-muted">{text.orderHint}</p>
      <div role="group" aria-label={text.keys} className="flex flex-wrap gap-1.5">
        {order.map((item) => (
          <button key={item} type="button" className="terminal-key" aria-label={text.rowKeys[item].label} aria-pressed={item === chosen} onClick={() => setChosen(item)}>
            {text.rowKeys[item].face}
          </button>
        ))}
      </div>
    </Dialog>
  );
}
