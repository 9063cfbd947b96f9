/** Voice: what was said here, with its words; and answers read aloud. */

import { lazy, Suspense } from "react";
import { client } from "~/app/client";
import type { ContentBlock } from "~/protocol/blocks";
import { errorText } from "~/text/common";
import { chat as text } from "~/text/chat";
import { useMessage } from "../message";
import { soundKey } from "~/voice/sounds";

const AudioPlayer = lazy(() => import("../../voice/AudioPlayer"));

/** Words that have not come by then do not come. */
const UNDERSTOOD_WITHIN = 120_000;

type Voice = Extract<ContentBlock, { kind: "voice_input" | "voice_output" }>;

export function VoiceInputPart({ data }: { data: ContentBlock }) {
  const { at } = useMessage();
  if (data.kind !== "voice_input") return null;
  const hopeful = Date.now() - at < UNDERSTOOD_WITHIN;
  return (
    <div className="space-y-1">
      <Player block={data} kind="input" label={text.voiceMessage} />
      {data.content ? (
        <p dir="auto" className="whitespace-pre-wrap">{data.content}</p>
      ) : (
        <p className="text-sm text-muted italic">{hopeful ? text.transcribing : text.noTranscript}</p>
      )}
    </div>
  );
}

export function VoiceOutputPart({ data }: { data: ContentBlock }) {
  if (data.kind !== "voice_output") return null;
  return <Player block={data} kind="output" label={text.voiceAnswer} />;
}

function Player({ block, kind, label }: { block: Voice; kind: "input" | "output"; label: string }) {
  if (!block.hasAudio || !block.messageId) return null;
  const load = async () => {
    try {
      return await client.requestAudio(block.messageId, kind);
    } catch (error) {
      throw new Error(errorText(error), { cause: error });
    }
  };
  const duration = block.duration === undefined ? {} : { duration: block.duration };
  return (
    <Suspense fallback={<div className="h-13" />}>
      <AudioPlayer soundId={soundKey(kind, block.messageId)} label={label} load={load} {...duration} />
    </Suspense>
  );
}
