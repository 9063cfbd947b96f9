/** The record button's events, of finger, mouse, key and screen reader, as verdicts of the gesture. */

import { type HTMLAttributes, type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import { Gesture, type Phase, type Verdict } from "./gesture";

/** Pixels between the finger and the button's edge from which letting go discards. */
const AWAY = 60;

export interface Press {
  /** A finger or key is on the button now. */
  held: boolean;
  /** Letting go now would discard. */
  away: boolean;
  button: HTMLAttributes<HTMLButtonElement>;
}

export function usePress(phase: Phase, act: (verdict: Verdict) => void): Press {
  const gesture = useRef(new Gesture());
  const [away, setAway] = useState(false);
  const [held, setHeld] = useState(false);

  const press = (): void => {
    setHeld(true);
    act(gesture.current.press(phase, performance.now()));
  };
  const letGo = (): void => {
    setHeld(false);
    setAway(false);
  };
  const release = (gone: boolean): void => {
    letGo();
    act(gesture.current.release(phase, performance.now(), gone));
  };
  const key = (run: (event: KeyboardEvent) => void) => (event: KeyboardEvent) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    run(event);
  };

  return {
    held,
    away,
    button: {
      onPointerDown: (event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        press();
      },
      onPointerMove: (event) => held && setAway(outside(event)),
      onPointerUp: (event) => release(outside(event)),
      onPointerCancel: () => {
        letGo();
        gesture.current.drop();
      },
      onKeyDown: key((event) => !event.repeat && press()),
      onKeyUp: key(() => release(false)),
      onClick: (event) => {
        // Screen readers click without pressing; a click of mouse, finger or key was a press already.
        if (event.detail !== 0 || gesture.current.held) return;
        act(phase === "idle" ? "start" : "finish");
      },
      onContextMenu: (event) => event.preventDefault(),
    },
  };
}

function outside(event: PointerEvent<HTMLElement>): boolean {
  const box = event.currentTarget.getBoundingClientRect();
  const across = Math.max(box.left - event.clientX, event.clientX - box.right);
  const along = Math.max(box.top - event.clientY, event.clientY - box.bottom);
  return Math.max(across, along) > AWAY;
}
