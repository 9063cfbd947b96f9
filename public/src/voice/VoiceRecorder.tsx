/** The record button, and what covers the composer while it records. */

import { useEffect, useRef, useState } from "react";
import type { AudioFormat } from "~/protocol/messages";
import { voiceText as text } from "~/text/voice";
import type { Verdict } from "./gesture";
import { type DrawLevel, Meter } from "./Meter";
import type { Recording } from "./recorder";
import { usePress } from "./usePress";
import { type Problem, useRecorder } from "./useRecorder";
import "./voice.css";

export interface VoiceRecorderProps {
  onRecorded(recording: Blob, format: AudioFormat, duration?: number): void;
  /** The recorder covers the composer while it runs. */
  onActive?(active: boolean): void;
  disabled?: boolean;
}

export default function VoiceRecorder({ onRecorded, onActive, disabled }: VoiceRecorderProps) {
  const draw = useRef<DrawLevel>(null);
  const [said, setSaid] = useState("");
  const recorded = ({ audio, format, seconds }: Recording): void => onRecorded(audio, format, seconds);
  const recorder = useRecorder(recorded, (level, seconds) => draw.current?.(level, seconds));
  const { phase, problem } = recorder;
  const active = phase !== "idle";

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
  const press = usePress(phase, act);

  useEffect(() => onActive?.(active), [active, onActive]);
  useEscape(active, discard);

  return (
    <>
      {active && (
        <div className="recorder" data-away={press.away || undefined}>
          <button type="button" className="recorder-cancel" aria-label={text.cancel} onClick={discard}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M6 6l12 12M18 6L6 18" />
            </svg>
          </button>
          <Meter draw={draw} opening={phase === "opening"} />
          {press.held && <span className="recorder-hint">{press.away ? text.releaseDiscards : text.slide}</span>}
        </div>
      )}
      {problem && <Trouble problem={problem} settle={recorder.settle} />}
      <span className="sr-only" role="status">
        {phase === "recording" ? text.recording : said}
      </span>
      <button
        type="button"
        className="recorder-button"
        data-phase={phase}
        disabled={disabled && !active}
        aria-label={active ? text.send : text.record}
        title={active ? text.send : text.recordHint}
        {...press.button}
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

/** Escape discards, before anybody else gets it: elsewhere it stops the agent. */
function useEscape(active: boolean, discard: () => void): void {
  const latest = useRef(discard);
  latest.current = discard;
  useEffect(() => {
    if (!active) return;
    const escape = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      latest.current();
    };
    window.addEventListener("keydown", escape, true);
    return () => window.removeEventListener("keydown", escape, true);
  }, [active]);
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
