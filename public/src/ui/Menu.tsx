/** A button with a list of actions; arrows move, Escape closes, a click elsewhere closes. */

import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { common } from "~/text/common";
import { IconButton } from "./Button";
import { Icon, type IconName } from "./icons";
import { onLeaving } from "./leaving";
import { useBackCloses } from "./overlays";

export interface MenuItem {
  label: string;
  icon: IconName;
  danger?: boolean;
  disabled?: boolean;
  run(): void;
}

export function Menu({ items, label = common.menu }: { items: MenuItem[]; label?: string }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>("[role=menuitem]:not(:disabled)")?.focus();
    return onLeaving(root.current, () => setOpen(false));
  }, [open]);

  const close = () => {
    setOpen(false);
    button.current?.focus();
  };

  return (
    <div ref={root} className="relative" onKeyDown={(event) => open && move(event, root.current, close)}>
      <IconButton ref={button} icon="more" label={label} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)} />
      {open && (
        <div role="menu" aria-label={label} className="animate-rise absolute top-full right-0 z-30 mt-1 min-w-56 rounded-xl border border-line bg-raised p-1.5 shadow-high">
          <BackCloses close={close} />
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              disabled={item.disabled}
              onClick={() => (close(), item.run())}
              className={`flex min-h-11 w-full items-center gap-3 rounded-lg px-3 text-left whitespace-nowrap hover:bg-hover focus-visible:outline-offset-0 disabled:opacity-40 ${item.danger ? "text-danger" : ""}`}
            >
              <Icon name={item.icon} size={18} className={item.danger ? "" : "text-muted"} />
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function BackCloses({ close }: { close(): void }) {
  useBackCloses(close);
  return null;
}

function move(event: KeyboardEvent, root: HTMLElement | null, close: () => void): void {
  if (event.key === "Escape" || event.key === "Tab") {
    event.stopPropagation();
    if (event.key === "Escape") event.preventDefault();
    return close();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !root) return;
  event.preventDefault();
  const items = [...root.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  items[(at + step + items.length) % items.length]?.focus();
}
