/** Joins a screen to its session: output in, input and sizes out. */

import { type RefObject, useEffect, useRef } from "react";
import { client, useClient } from "~/app/client";
import { mayType } from "~/store/scope";
import type { Modifiers, RowKey } from "./keys";
import { Screen } from "./screen";
import { type Size, same, told } from "./size";

/** Milliseconds of calm before the workstation is told a new size: a drag of the window makes hundreds. */
const SIZE_CALM = 150;

export interface ScreenSetup {
  sessionId: string;
  font: number;
  nativeLine: boolean;
  typed(data: string): void;
  held(): Modifiers;
  copy(text: string): void;
  paste(text: string): void;
  swipe(key: RowKey): void;
  away(away: boolean): void;
}

export interface Joined {
  host: RefObject<HTMLDivElement | null>;
  screen: RefObject<Screen | null>;
}

export function useScreen(setup: ScreenSetup): Joined {
  const { sessionId, font, nativeLine } = setup;
  const host = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen | null>(null);
  const teller = useRef<SizeTeller | null>(null);
  const latest = useRef(setup);
  latest.current = setup;

  useEffect(() => {
    if (!host.current) return;
    const size = new SizeTeller(sessionId);
    teller.current = size;
    const made = new Screen(
      host.current,
      {
        typed: (data) => latest.current.typed(data),
        held: () => latest.current.held(),
        bell: () => client.bell(sessionId, document.visibilityState === "visible"),
        room: (room) => size.tell(room),
        copy: (text) => latest.current.copy(text),
        paste: (text) => latest.current.paste(text),
        font: (size) => client.set({ terminalFontSize: size }),
        swipe: (key) => latest.current.swipe(key),
        away: (away) => latest.current.away(away),
      },
      latest.current.font,
    );
    screen.current = made;
    const stop = client.openTerminal(sessionId, (chunk) => {
      if (chunk.kind === "reset") return made.reset();
      if (chunk.lost) made.gap();
      made.write(chunk.text, chunk.replayed);
    });
    made.measure();
    if (!latest.current.nativeLine) made.terminal.focus();
    return () => {
      stop();
      size.stop();
      made.close();
      screen.current = null;
    };
  }, [sessionId]);

  const isMaster = useClient((state) => state.terminals.get(sessionId)?.isMaster ?? null);
  const subscribed = useClient((state) => state.terminals.get(sessionId)?.subscribed ?? false);
  const cols = useClient((state) => state.terminals.get(sessionId)?.cols);
  const rows = useClient((state) => state.terminals.get(sessionId)?.rows);
  const looks = useClient((state) => !mayType(state));
  // Subscribed anew, perhaps by a restarted workstation: what was asked before counts for nothing.
  useEffect(() => teller.current?.forget(), [sessionId, isMaster, subscribed]);
  useEffect(() => {
    screen.current?.follow(isMaster === false || looks ? told({ cols, rows }) : undefined);
  }, [sessionId, isMaster, looks, subscribed, cols, rows]);
  useEffect(() => screen.current?.deaf(!subscribed || looks), [sessionId, subscribed, looks]);
  useEffect(() => screen.current?.font(font), [sessionId, font]);
  useEffect(() => {
    if (nativeLine) screen.current?.letOthersType();
  }, [sessionId, nativeLine]);
  return { host, screen };
}

/** Tells the workstation the size of the master's window, once it is calm and only when it is news. */
class SizeTeller {
  private timer: number | undefined;
  private asked: Size | undefined;

  constructor(private readonly sessionId: string) {}

  tell(size: Size): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.send(size), SIZE_CALM);
  }

  forget(): void {
    this.asked = undefined;
  }

  stop(): void {
    window.clearTimeout(this.timer);
  }

  private send(size: Size): void {
    const known = client.store.getState().terminals.get(this.sessionId);
    if (known?.isMaster !== true || same(told(known), size)) return;
    // Asked once; a workstation that wants another size would be asked for ever.
    if (same(this.asked, size)) return;
    this.asked = size;
    client.resize(this.sessionId, size.cols, size.rows);
  }
}
