/** Bars that move with the voice, and the clock; drawn past React, sixteen times a second. */

import { type RefObject, useEffect, useRef } from "react";
import { voiceText as text } from "~/text/voice";
import { clock } from "./format";
import { LONGEST } from "./recorder";

/** Seconds before the end at which the clock says how long is left. */
const WARN = 15;
const BARS = 28;

export type DrawLevel = (level: number, seconds: number) => void;

export function Meter({ draw, opening }: { draw: RefObject<DrawLevel | null>; opening: boolean }) {
  const bars = useRef<HTMLDivElement>(null);
  const time = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const levels: number[] = Array.from({ length: BARS }, () => 0);
    draw.current = (level, seconds) => {
      levels.push(level);
      levels.shift();
      const drawn = bars.current?.children ?? [];
      levels.forEach((one, place) => {
        (drawn[place] as HTMLElement | undefined)?.style.setProperty("--level", one.toFixed(3));
      });
      if (time.current) time.current.textContent = timeWords(seconds);
    };
    return () => {
      draw.current = null;
    };
  }, [draw]);
  return (
    <>
      <span ref={time} className="recorder-time" role="timer">
        {opening ? text.opening : clock(0)}
      </span>
      <div ref={bars} className="recorder-bars" aria-hidden="true">
        {Array.from({ length: BARS }, (_, place) => (
          <i key={place} />
        ))}
      </div>
    </>
  );
}

function timeWords(seconds: number): string {
  const left = Math.ceil(LONGEST - seconds);
  return left <= WARN ? text.almostFull(Math.max(0, left)) : clock(seconds);
}
