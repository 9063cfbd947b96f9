/** Speaks an answer as it arrives, only on the device that asked by voice and only if the user wants it. */

import type { Client, Unsubscribe } from "~/store/client";
import { player } from "./player";
import { keepSound, soundKey } from "./sounds";

export function startAutoplay(client: Client): Unsubscribe {
  return client.onEvent((event) => {
    if (event.kind !== "voice-output") return;
    const sound = keepSound(soundKey("output", event.messageId), event.audio, event.format);
    if (!sound || !event.mine || !client.store.getState().settings.autoplay) return;
    player.speed(client.store.getState().settings.playbackRate);
    void player.play(soundKey("output", event.messageId), sound);
  });
}
