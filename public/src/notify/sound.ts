/** A short tone, made on the spot; no file to fetch. */

let context: AudioContext | undefined;

export function tone(frequency: number): void {
  try {
    context ??= new AudioContext();
    // Before the first touch the browser keeps it silent, and a queue of late tones would be worse than none.
    if (context.state !== "running") {
      void context.resume().catch(() => undefined);
      return;
    }
    const start = context.currentTime;
    const volume = context.createGain();
    volume.gain.setValueAtTime(0.08, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.25);
    const voice = context.createOscillator();
    voice.frequency.value = frequency;
    voice.connect(volume).connect(context.destination);
    voice.start(start);
    voice.stop(start + 0.25);
  } catch {
    // No sound device.
  }
}
