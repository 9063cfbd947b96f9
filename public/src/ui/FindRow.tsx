/** The row of every search: the field, how many places there are, and the buttons that step through them and close it. */

import type { InputHTMLAttributes } from "react";
import { common } from "~/text/common";
import { IconButton } from "./Button";
import { Icon } from "./icons";

interface Step {
  label: string;
  go(): void;
}

interface FindRowProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  wanted: string;
  onWanted(words: string): void;
  /** What came of it. */
  status: string;
  /** Nothing to step through. */
  none: boolean;
  /** Enter steps to the older one, Shift+Enter to the newer one. */
  older: Step;
  newer: Step;
  onClose(): void;
}

export function FindRow({ label, wanted, onWanted, status, none, older, newer, onClose, ...rest }: FindRowProps) {
  return (
    <div className="flex min-w-0 flex-1 items-center gap-1 py-1 pr-1 pl-4">
      <Icon name="search" size={17} className="text-muted" />
      <input
        type="search"
        autoFocus
        value={wanted}
        aria-label={label}
        {...rest}
        onChange={(event) => onWanted(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          (event.shiftKey ? newer : older).go();
        }}
        className="h-11 min-w-0 flex-1 bg-transparent px-2 text-base outline-none placeholder:text-muted [&::-webkit-search-cancel-button]:hidden"
      />
      <span role="status" className="shrink-0 text-xs text-muted">
        {status}
      </span>
      <IconButton icon="up" size={18} label={older.label} disabled={none} onClick={older.go} />
      <IconButton icon="down" size={18} label={newer.label} disabled={none} onClick={newer.go} />
      <IconButton icon="close" size={18} label={common.close} onClick={onClose} />
    </div>
  );
}
