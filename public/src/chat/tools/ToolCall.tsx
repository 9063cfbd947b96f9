/** A tool the agent used: which, on what, and how it went; what it did on demand, and at once where it failed. */

import { memo, useMemo, type ReactNode } from "react";
import type { ContentBlock } from "~/protocol/blocks";
import { withoutControls } from "~/protocol/controls";
import { chat as text } from "~/text/chat";
import { Icon, Spinner } from "~/ui/icons";
import { Disclosure } from "../parts/Disclosure";
import { insideOf } from "~/store/reading";
import { PathButton } from "../PathButton";
import { Changes, Counts } from "./Changes";
import { Command, Output } from "./Output";
import { Tasks } from "./Tasks";
import { outputOf, viewOf, type ToolResult, type ToolView } from "./toolView";
import { brief, pretty } from "./toolText";

type Tool = Extract<ContentBlock, { kind: "tool" }>;

/** Memo: while an answer grows its tool calls come again and again, most of them unchanged. */
export default memo(function ToolCall(block: Tool) {
  const { name, input, output, status } = block;
  const view = useMemo(() => viewOf(name, input), [name, input]);
  const result = useMemo(() => outputOf(output), [output]);
  const failed = status === "failed" || (result.exit !== null && result.exit !== 0);
  return (
    <Disclosure
      name={`tool ${block.id}`}
      text={() => insideOf(block)}
      opened={failed}
      summary={
        <>
          <State status={failed ? "failed" : status} />
          <bdi className="max-w-[60%] shrink-0 truncate font-medium">{withoutControls(name)}</bdi>
          <Telling view={view} input={input} />
        </>
      }
    >
      {() => <Body block={block} view={view} result={result} failed={failed} />}
    </Disclosure>
  );
});

/** What the closed line says beside the tool's name. */
function Telling({ view, input }: { view: ToolView; input: string }) {
  const line = (words: ReactNode, more?: ReactNode) => (
    <>
      <span className="min-w-0 flex-1 truncate font-mono text-xs text-muted [unicode-bidi:plaintext]">{words}</span>
      {more}
    </>
  );
  if (view.kind === "tasks") return line("", <span className="text-xs text-muted">{text.tasksDone(view.tasks.filter(({ state }) => state === "done").length, view.tasks.length)}</span>);
  if (view.kind !== "change") return line(brief(input));
  const { files } = view;
  return line(
    files.length === 1 ? files[0]!.path : text.filesChanged(files.length),
    <Counts files={files} />,
  );
}

interface BodyProps {
  block: Tool;
  view: ToolView;
  result: ToolResult;
  failed: boolean;
}

function Body({ block, view, result, failed }: BodyProps) {
  if (view.kind === "command") return <Command command={view.command} output={result.text} exit={result.exit} />;
  // What a change or a plan gives back says nothing new, unless it failed.
  const rest = failed && result.text && <Output label={text.toolOutput} value={result.text} end />;
  if (view.kind === "tasks") return <div className="space-y-2.5"><Tasks tasks={view.tasks} />{rest}</div>;
  if (view.kind === "change") {
    return (
      <div className="space-y-2.5">
        <Changes files={view.files} />
        {rest}
      </div>
    );
  }
  return (
    <div className="space-y-2.5">
      {view.path && <PathButton path={view.path} className="min-h-8 text-xs text-muted" />}
      {block.input && <Output label={text.toolInput} value={pretty(block.input)} />}
      {block.output && result.pictures.length === 0 && <Output label={text.toolOutput} value={pretty(block.output)} />}
      {result.pictures.length > 0 && result.text && <Output label={text.toolOutput} value={result.text} />}
      {result.pictures.map((source, index) => (
        <img key={index} src={source} alt={text.image} className="block max-h-96 max-w-full rounded-lg border border-line" />
      ))}
      {!block.input && !block.output && <p dir="auto" className="text-sm text-muted">{withoutControls(block.content)}</p>}
    </div>
  );
}

function State({ status }: { status: Tool["status"] }) {
  if (status === "running") {
    return (
      <span className="text-accent">
        <Spinner size={16} />
        <span className="sr-only">{text.toolRunning}</span>
      </span>
    );
  }
  const failed = status === "failed";
  return (
    <span className={failed ? "text-danger" : "text-ok"}>
      <Icon name={failed ? "close" : "check"} size={16} />
      <span className="sr-only">{failed ? text.toolFailed : text.toolDone}</span>
    </span>
  );
}
