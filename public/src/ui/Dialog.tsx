/** A modal sheet: from the bottom on a phone, in the middle on a desk. The browser keeps the focus inside. */

import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { common } from "~/text/common";
import { Button, IconButton } from "./Button";
import { useBackCloses } from "./overlays";

interface DialogProps {
  title: string;
  onClose(): void;
  children: ReactNode;
  footer?: ReactNode;
  wide?: boolean;
  /** Nothing but text in it: the keyboard must be able to scroll it. */
  reading?: boolean;
  /** It has an address of its own, which is left when it closes. */
  routed?: boolean;
}

export function Dialog({ title, onClose, children, footer, wide = false, reading = false, routed = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  useBackCloses(onClose, routed);
  // Closed while it is still in the page: only then does the focus go back to where it was.
  useLayoutEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    // The title first: no button looks chosen, no keyboard covers a phone's screen.
    heading.current?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => (event.preventDefault(), onClose())}
      onClick={(event) => event.target === dialog.current && onClose()}
      onKeyDown={(event) => event.key !== "Escape" && event.stopPropagation()}
      className={`sheet m-0 mt-auto w-full max-w-none bg-transparent p-0 text-text backdrop:bg-black/40 sm:m-auto ${wide ? "sm:max-w-2xl" : "sm:max-w-md"}`}
    >
      <div className="animate-slide flex max-h-[calc(var(--app-height,100dvh)*0.88)] flex-col rounded-t-2xl border border-line bg-raised shadow-high sm:rounded-2xl">
        <header className="flex items-center gap-2 border-b border-line py-1.5 pr-1.5 pl-5">
          <h2 id={id} ref={heading} tabIndex={-1} className="min-w-0 flex-1 py-2 text-base leading-snug font-semibold outline-none [overflow-wrap:anywhere] [unicode-bidi:plaintext]">
            {title}
          </h2>
          <IconButton icon="close" label={common.close} onClick={onClose} />
        </header>
        <div className="min-h-0 flex-1 overflow-y-auto px-5 py-4 outline-offset-[-2px]" tabIndex={reading ? 0 : undefined}>
          {children}
        </div>
        {footer && (
          <footer className="flex justify-end gap-2 border-t border-line px-4 pt-3 pb-[max(0.75rem,var(--safe-bottom))]">{footer}</footer>
        )}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  action: string;
  look?: "danger" | "primary";
  onConfirm(): void;
  onClose(): void;
}

export function Confirm({ title, text, action, look = "danger", onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button look={look} onClick={() => (onClose(), onConfirm())}>
            {action}
          </Button>
        </>
      }
    >
      <p className="text-muted">{text}</p>
    </Dialog>
  );
}
