/** The parts of a message, each drawn by the component for its kind of block. */

import { memo, type ComponentType } from "react";
import type { ContentBlock } from "~/protocol/blocks";
import type { ChatMessage } from "~/store/state";
import { ButtonsPart } from "./ButtonsPart";
import { CodePart } from "./CodePart";
import { CancelPart, ErrorPart, StatusPart } from "./NotePart";
import { OwnText, TextPart } from "./TextPart";
import { ThoughtPart } from "./ThoughtPart";
import { ToolPart } from "./ToolPart";
import { VoiceInputPart, VoiceOutputPart } from "./VoicePart";

export interface PartProps {
  data: ContentBlock;
  /** The last part of a message that streams. */
  running: boolean;
}

const PARTS: Partial<Record<ContentBlock["kind"], ComponentType<PartProps>>> = {
  text: TextPart,
  thinking: ThoughtPart,
  tool: ToolPart,
  code: CodePart,
  status: StatusPart,
  error: ErrorPart,
  cancel: CancelPart,
  voice_input: VoiceInputPart,
  voice_output: VoiceOutputPart,
  action_buttons: ButtonsPart,
};

/** Not through assistant-ui: its state for each part is asked at each update, for all messages on the page. */
export const Parts = memo(function Parts({ message }: { message: ChatMessage }) {
  const { blocks, role, streaming } = message;
  return blocks.map((block, index) => {
    const Part = role === "user" && block.kind === "text" ? OwnText : PARTS[block.kind];
    return Part && <Part key={index} data={block} running={streaming && index === blocks.length - 1} />;
  });
});
