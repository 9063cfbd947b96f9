/** The player of one voice message: fetched on demand, with seek and speed. */

import { useState, useSyncExternalStore } from "react";
import { client, useClient } from "~/app/client";
import { voiceText as text } from "~/text/voice";
import { clock } from "./format";
import { nextSpeed, type Playing, player } from "./player";
import { keepSound, keptSound } from "./sounds";
import "./voice.css";

export interface AudioPlayerProps {
  /** `soundKey` of its message: one player speaks at a time, and autoplay finds its player by it. */
  soundId: string;
  label: string;
  duration?: number;
  load(): Promise<{ audio: string; format: string }>;
}

export default function AudioPlayer({ soundId, label, duration, load }: AudioPlayerProps) {
  const now = useSyncExternalStore(player.subscribe, player.now);
  const [loading, setLoading] = useState(false);
  const [trouble, setTrouble] = useState("");
  const mine = now.id === soundId;
  const speed = useClient((state) => state.settings.playbackRate);
  const length = (mine && now.length) || duration || 0;

  const play = async (): Promise<void> => {
    if (loading) return;
    if (mine && now.trouble !== "broken") return player.toggle();
    setTrouble("");
    setLoading(true);
    try {
      const sound = keptSound(soundId) ?? (await fetched(soundId, load));
      player.speed(speed);
      if (sound) await player.play(soundId, sound, duration);
      else setTrouble(text.broken);
    } catch (error) {
      setTrouble(error instanceof Error && error.message ? error.message : text.broken);
    } finally {
      setLoading(false);
    }
  };
  const change = (): void => {
    const next = nextSpeed(speed);
    client.set({ playbackRate: next });
    player.speed(next);
  };
  const sounding = mine && !now.paused;

  return (
    <div className="player" role="group" aria-label={label}>
      <button
        type="button"
        className="player-play"
        onClick={() => void play()}
        aria-label={loading ? text.loading : sounding ? text.pause : text.play}
        aria-busy={loading}
      >
        <svg viewBox="0 0 24 24" aria-hidden="true">
          {sounding ? <path d="M7 5h4v14H7zM13 5h4v14h-4z" /> : <path d="M8 5v14l11-7z" />}
        </svg>
      </button>
      <input
        type="range"
        className="player-position"
        min={0}
        max={Math.max(length, 0.1)}
        step={0.1}
        value={mine ? Math.min(now.at, Math.max(length, 0.1)) : 0}
        disabled={!mine || length === 0}
        aria-label={text.position}
        aria-valuetext={`${clock(mine ? now.at : 0)} / ${clock(length)}`}
        onChange={(event) => player.seek(Number(event.currentTarget.value))}
      />
      <span className="player-time">{clock(sounding || (mine && now.at > 0) ? now.at : length)}</span>
      <button type="button" className="player-speed" onClick={change} aria-label={text.speed(speed)}>
        {speed}×
      </button>
      <Words words={trouble || (mine ? wordsOf(now) : "")} />
    </div>
  );
}

function Words({ words }: { words: string }) {
  return words ? (
    <p className="player-trouble" role="status">
      {words}
    </p>
  ) : null;
}

function wordsOf(now: Playing): string {
  if (now.trouble === "blocked") return text.blocked;
  return now.trouble === "broken" ? text.broken : "";
}

async function fetched(soundId: string, load: AudioPlayerProps["load"]): Promise<Blob | undefined> {
  const { audio, format } = await load();
  return keepSound(soundId, audio, format);
}
