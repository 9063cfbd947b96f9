export interface ScanQrProps {
  onText(text: string): void;
  onClose(): void;
}

export default function ScanQr({ onClose }: ScanQrProps) {
  return <button type="button" onClick={onClose} />;
}
