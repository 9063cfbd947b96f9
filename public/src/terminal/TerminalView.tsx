export default function TerminalView({ sessionId }: { sessionId: string }) {
  return <pre>{sessionId}</pre>;
}
