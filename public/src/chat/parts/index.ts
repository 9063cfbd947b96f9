/** Which component draws which kind of block. */

import { ButtonsPart } from "./ButtonsPart";
import { CancelPart, ErrorPart, StatusPart } from "./NotePart";
import { CodePart } from "./CodePart";
import { OwnText, TextPart } from "./TextPart";
import { ThoughtPart } from "./ThoughtPart";
import { ToolPart } from "./ToolPart";
import { VoiceInputPart, VoiceOutputPart } from "./VoicePart";

const by_name = {
  code: CodePart,
  status: StatusPart,
  error: ErrorPart,
  cancel: CancelPart,
  voice_input: VoiceInputPart,
  voice_output: VoiceOutputPart,
  action_buttons: ButtonsPart,
};

const Nothing = () => null;

export const ASSISTANT_PARTS = {
  Empty: Nothing,
  Text: TextPart,
  Reasoning: ThoughtPart,
  tools: { Fallback: ToolPart },
  data: { by_name, Fallback: Nothing },
};

export const USER_PARTS = {
  Empty: Nothing,
  Text: OwnText,
  data: { by_name, Fallback: Nothing },
};
