/** What was typed in a chat that takes no more messages: to be read, copied, handed on or deleted. */

import type { ReactNode } from "react";
import { client, useClient } from "~/app/client";
import { useCopy } from "~/app/clipboard";
import { common } from "~/text/common";
import { sessions as text } from "~/text/sessions";
import { Button } from "~/ui/Button";

interface UnsentProps {
  chatKey: string;
  /** Ways to go on with the words, before those that every place has. */
  children?(words: string): ReactNode;
}

export function Unsent({ chatKey, children }: UnsentProps) {
  const words = useClient((state) => state.drafts.get(chatKey)?.trim() ?? "");
  const { done, copy } = useCopy();
  if (!words) return null;
  return (
    <>
      <p className="mt-3 text-sm font-medium">{text.unsent}</p>
      <blockquote dir="auto" className="mt-1 max-h-32 overflow-y-auto rounded-xl bg-sunken px-3 py-2 text-start text-sm whitespace-pre-wrap [overflow-wrap:anywhere]" tabIndex={0}>
        {words}
      </blockquote>
      <div className="mt-2 flex flex-wrap gap-2">
        {children?.(words)}
        <Button icon={done ? "check" : "copy"} onClick={() => copy(words)}>
          {done ? common.copied : common.copy}
        </Button>
        <Button look="quiet" onClick={() => client.draft(chatKey, "")}>
          {common.delete}
        </Button>
      </div>
    </>
  );
}
