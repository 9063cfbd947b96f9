/** The line between list and conversation: it is dragged, or moved by keys; Enter folds the list away. */

import { useRef, type KeyboardEvent, type PointerEvent } from "react";
import { SETTINGS } from "~/store/initial";
import { sessions as text } from "~/text/sessions";
import { client, useClient } from "./client";
import { fold, LEAST, MOST, widthOf, within } from "./listWidth";

/** Pixels per press of an arrow key. */
const STEP = 16;

export default function Divider() {
  const width = within(useClient((state) => state.settings.sidebarWidth));
  const line = useRef<HTMLDivElement>(null);
  const dragged = useRef<number | null>(null);
  const set = (next: number) => client.set({ sidebarWidth: within(next) });

  const take = (event: PointerEvent<HTMLElement>) => {
    // No text is selected, and no link is dragged off.
    event.preventDefault();
    event.currentTarget.focus({ preventScroll: true });
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    if (!line.current?.hasPointerCapture(event.pointerId)) return;
    const frame = document.getElementById("sidebar")!.parentElement!;
    dragged.current = within(event.clientX - frame.getBoundingClientRect().left);
    // The list follows without being drawn anew.
    frame.style.setProperty("--sidebar", String((widthOf(dragged.current) as Record<string, string>)["--sidebar"]));
  };
  const drop = () => {
    if (dragged.current !== null) set(dragged.current);
    dragged.current = null;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const next = { ArrowLeft: width - STEP, ArrowRight: width + STEP, Home: LEAST, End: MOST }[event.key];
    if (next === undefined && event.key !== "Enter") return;
    event.preventDefault();
    if (next === undefined) fold(true);
    else set(next);
  };
  return (
    <div
      ref={line}
      id="sidebar-width"
      role="separator"
      aria-orientation="vertical"
      aria-label={text.width}
      aria-controls="sidebar"
      aria-valuenow={width}
      aria-valuemin={LEAST}
      aria-valuemax={MOST}
      tabIndex={0}
      onPointerDown={take}
      onPointerMove={move}
      onLostPointerCapture={drop}
      onDoubleClick={() => set(SETTINGS.sidebarWidth)}
      onKeyDown={onKeyDown}
      className="absolute inset-y-0 -right-px z-10 w-px cursor-col-resize touch-none before:absolute before:inset-y-0 before:-inset-x-1.5 hover:bg-accent focus-visible:bg-accent pointer-coarse:before:-inset-x-3"
    />
  );
}
