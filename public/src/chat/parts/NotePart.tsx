/** What is said about the answer rather than by it: status, error, stopped. */

import type { ContentBlock } from "~/protocol/blocks";
import { chat as text } from "~/text/chat";
import { Icon } from "~/ui/icons";
import { AnsiText } from "../AnsiText";
import { withoutAnsi } from "../ansi";

export function StatusPart({ data }: { data: ContentBlock }) {
  if (!data.content) return null;
  return <p dir="auto" className="text-sm text-muted">{withoutAnsi(data.content)}</p>;
}

export function ErrorPart({ data }: { data: ContentBlock }) {
  return (
    <div className="flex gap-2.5 rounded-xl bg-danger-soft px-3.5 py-2.5 text-sm">
      <Icon name="alert" size={18} className="mt-0.5 text-danger" />
      <div className="min-w-0">
        <span className="sr-only">{text.error}: </span>
        <p dir="auto" className="whitespace-pre-wrap [overflow-wrap:anywhere]">
          <AnsiText text={data.content || text.error} />
        </p>
        {data.kind === "error" && data.code && <p className="mt-0.5 font-mono text-xs text-muted">{data.code}</p>}
      </div>
    </div>
  );
}

export function CancelPart({ data }: { data: ContentBlock }) {
  return (
    <p className="flex items-center gap-2 text-sm text-muted">
      <Icon name="stop" size={14} />
      <bdi>{withoutAnsi(data.content) || text.cancelled}</bdi>
    </p>
  );
}
