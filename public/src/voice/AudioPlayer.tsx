export interface AudioPlayerProps {
  /** Of the message whose audio it is: one player speaks at a time, and autoplay finds its player by it. */
  messageId: string;
  label: string;
  duration?: number;
  load(): Promise<{ audio: string; format: string }>;
}

export default function AudioPlayer({ label }: AudioPlayerProps) {
  return <span>{label}</span>;
}
