/** A file path: a tap copies it. */

import { useCopy } from "~/app/clipboard";
import { common } from "~/text/common";
import { chat as text } from "~/text/chat";

export function PathButton({ path, className = "" }: { path: string; className?: string }) {
  const { done, copy } = useCopy();
  return (
    <button
      type="button"
      dir="ltr"
      aria-label={text.copyPath(path)}
      title={text.copyPath(path)}
      onClick={() => copy(path)}
      className={`relative before:absolute before:-inset-2 text-start font-mono [overflow-wrap:anywhere] decoration-dotted underline-offset-4 hover:underline ${className}`}
    >
      {path}
      {done && <span className="font-sans text-muted"> · {common.copied}</span>}
    </button>
  );
}
