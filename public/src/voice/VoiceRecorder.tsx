import type { AudioFormat } from "~/protocol/messages";

export interface VoiceRecorderProps {
  onRecorded(recording: Blob, format: AudioFormat, duration?: number): void;
  /** The recorder covers the composer while it runs. */
  onActive?(active: boolean): void;
  disabled?: boolean;
}

export default function VoiceRecorder({ disabled }: VoiceRecorderProps) {
  return <button type="button" disabled={disabled} hidden />;
}
