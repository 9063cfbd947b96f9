/** The record button, and what covers the composer while it records. */

import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import type { AudioFormat } from "~/protocol/messages";
import { voiceText as text } from "~/text/voice";
import { Gesture, type Verdict } from "./gesture";
import { type DrawLevel, Meter } from "./Meter";
import type { Recording } from "./recorder";
import { type Problem, useRecorder } from "./useRecorder";
import "./voice.css";

export interface VoiceRecorderProps {
  onRecorded(recording: Blob, format: AudioFormat, duration?: number): void;
  /** The recorder covers the composer while it runs. */
  onActive?(active: boolean): void;
  disabled?: boolean;
}

/** Pixels between the finger and the button's edge from which letting go discards. */
const AWAY = 60;

export default function VoiceRecorder({ onRecorded, onActive, disabled }: VoiceRecorderProps) {
  const button = useRef<HTMLButtonElement>(null);
  const gesture = useRef(new Gesture());
  const meter = useRef<DrawLevel>(null);
  const [away, setAway] = useState(false);
  const [held, setHeld] = useState(false);
  const [said, setSaid] = useState("");

  const recorded = ({ audio, format, seconds }: Recording): void => onRecorded(audio, format, seconds);
  const recorder = useRecorder(recorded, (level, seconds) => meter.current?.(level, seconds));
  const { phase, problem } = recorder;
  const active = phase !== "idle";

  useEffect(() => onActive?.(active), [active, onActive]);

  const discard = (): void => {
    recorder.cancel();
    setSaid(text.discarded);
  };
  const act = (verdict: Verdict): void => {
    if (verdict === "start") {
      setSaid("");
      recorder.start();
    }
    if (verdict === "finish") recorder.finish();
    if (verdict === "cancel") discard();
  };
  const press = (): void => {
    setHeld(true);
    act(gesture.current.press(phase, performance.now()));
  };
  const release = (gone: boolean): void => {
    setHeld(false);
    setAway(false);
    act(gesture.current.release(phase, performance.now(), gone));
  };
  const keyDown = (event: KeyboardEvent): void => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) press();
  };
  const keyUp = (event: KeyboardEvent): void => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    release(false);
  };

  useEffect(() => {
    if (!active) return;
    const escape = (event: globalThis.KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      discard();
    };
    window.addEventListener("keydown", escape, true);
    return () => window.removeEventListener("keydown", escape, true);
  });

  return (
    <>
      {active && (
        <div className="recorder" data-away={away || undefined}>
          <button type="button" className="recorder-cancel" aria-label={text.cancel} onClick={discard}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M6 6l12 12M18 6L6 18" />
            </svg>
          </button>
          <Meter draw={meter} opening={phase === "opening"} />
          {held && <span className="recorder-hint">{away ? text.releaseDiscards : text.slide}</span>}
        </div>
      )}
      {problem && <Trouble problem={problem} settle={recorder.settle} />}
      <span className="sr-only" role="status">
        {phase === "recording" ? text.recording : said}
      </span>
      <button
        ref={button}
        type="button"
        className="recorder-button"
        data-phase={phase}
        disabled={disabled && !active}
        aria-label={active ? text.send : text.record}
        title={active ? text.send : text.recordHint}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          press();
        }}
        onPointerMove={(event) => held && setAway(outside(event))}
        onPointerUp={(event) => release(outside(event))}
        onPointerCancel={() => {
          setHeld(false);
          setAway(false);
          gesture.current.drop();
        }}
        onKeyDown={keyDown}
        onKeyUp={keyUp}
        onClick={(event) => {
          // Screen readers click without pressing; a click of mouse, finger or key was a press already.
          if (event.detail !== 0 || gesture.current.held) return;
          act(active ? "finish" : "start");
        }}
        onContextMenu={(event) => event.preventDefault()}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          {active ? (
            <path d="M5 12h13M12 5l7 7-7 7" />
          ) : (
            <path d="M12 4a3 3 0 0 0-3 3v4a3 3 0 0 0 6 0V7a3 3 0 0 0-3-3zM6 11a6 6 0 0 0 12 0M12 17v3" />
          )}
        </svg>
      </button>
    </>
  );
}

function outside(event: PointerEvent<HTMLElement>): boolean {
  const box = event.currentTarget.getBoundingClientRect();
  const across = Math.max(box.left - event.clientX, event.clientX - box.right);
  const along = Math.max(box.top - event.clientY, event.clientY - box.bottom);
  return Math.max(across, along) > AWAY;
}

function Trouble({ problem, settle }: { problem: Problem; settle(): void }) {
  return (
    <div className="recorder-trouble" role="alert">
      <p>{problem === "short" ? text.tooShort : text.trouble[problem]}</p>
      <button type="button" onClick={settle}>
        {text.dismiss}
      </button>
    </div>
  );
}
