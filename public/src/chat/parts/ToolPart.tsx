/** A tool the agent used. */

import { Suspense } from "react";
import { part } from "~/app/part";
import type { PartProps } from "./index";

/** Fetched with the first conversation: one that comes late opens by itself where the tool failed, and moves what is below. */
export const ToolCall = part(() => import("../tools/ToolCall"));

export function ToolPart({ data: block }: PartProps) {
  if (block.kind !== "tool") return null;
  // As high as a closed one: nothing moves when it comes.
  const closed = <div className="fold h-[46px] rounded-xl border border-line bg-surface px-3 py-2.5 text-sm font-medium">{block.name}</div>;
  return (
    <Suspense fallback={closed}>
      <ToolCall {...block} />
    </Suspense>
  );
}
