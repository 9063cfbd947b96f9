/** The life of one recording as a screen sees it: phase, trouble, and what the buttons do. */

import { useCallback, useEffect, useRef, useState } from "react";
import type { Phase } from "./gesture";
import { player } from "./player";
import { MicrophoneError, Recorder, type Recording } from "./recorder";
import type { Trouble } from "./trouble";

export type Problem = Trouble | "short";

export interface Recorded {
  phase: Phase;
  problem: Problem | undefined;
  start(): void;
  finish(): void;
  cancel(): void;
  settle(): void;
}

export function useRecorder(done: (recording: Recording) => void, level: (level: number, seconds: number) => void): Recorded {
  const [phase, setPhase] = useState<Phase>("idle");
  const [problem, setProblem] = useState<Problem>();
  const recorder = useRef<Recorder>(undefined);
  // Which start counts: one that was cancelled while the microphone opened must not record after all.
  const turn = useRef(0);
  const latest = useRef({ done, level });
  latest.current = { done, level };

  const finish = useCallback(async (broken?: Trouble) => {
    const ended = recorder.current;
    recorder.current = undefined;
    turn.current += 1;
    const recording = await ended?.finish();
    setPhase("idle");
    if (recording) latest.current.done(recording);
    else if (ended) setProblem(broken ?? "short");
  }, []);

  const cancel = useCallback(() => {
    turn.current += 1;
    recorder.current?.cancel();
    recorder.current = undefined;
    setPhase("idle");
  }, []);

  const start = useCallback(async () => {
    const mine = ++turn.current;
    setProblem(undefined);
    setPhase("opening");
    player.stop();
    try {
      const made = await Recorder.start({
        level: (value, seconds) => latest.current.level(value, seconds),
        full: () => void finish(),
        broken: (trouble) => void finish(trouble),
      });
      if (mine !== turn.current) return made.cancel();
      recorder.current = made;
      setPhase("recording");
    } catch (error) {
      if (mine !== turn.current) return;
      setPhase("idle");
      setProblem(error instanceof MicrophoneError ? error.trouble : "failed");
    }
  }, [finish]);

  useEffect(() => cancel, [cancel]);
  useEffect(() => (phase === "recording" ? stayAwake() : undefined), [phase]);
  return {
    phase,
    problem,
    start: useCallback(() => void start(), [start]),
    finish: useCallback(() => void finish(), [finish]),
    cancel,
    settle: useCallback(() => setProblem(undefined), []),
  };
}

/** Keep the screen on; return what ends that. A browser that cannot is left alone. */
function stayAwake(): () => void {
  const lock = navigator.wakeLock?.request("screen").catch(() => undefined);
  return () => void lock?.then((held) => held?.release());
}
