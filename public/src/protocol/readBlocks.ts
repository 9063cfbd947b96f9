/** Content blocks from the wire; what is unknown becomes plain text. */

import type { ActionButton, ContentBlock, ToolStatus } from "./blocks";
import { flag, list, number, optionalText, record, text, type Fields } from "./fields";

const BUTTONS_MOST = 24;

/** `content` stands in when a message has no blocks. */
export function readBlocks(value: unknown, content: unknown = ""): ContentBlock[] {
  const blocks = list(value).map((each, index) => readBlock(record(each), index));
  if (blocks.length > 0) return blocks;
  const plain = text(content);
  return plain ? [{ kind: "text", id: "content", content: plain }] : [];
}

function readBlock(block: Fields, index: number): ContentBlock {
  const id = text(block.id) || `block-${index}`;
  const content = text(block.content);
  const meta = record(block.metadata);
  switch (block.block_type) {
    case "code":
      return { kind: "code", id, content, language: text(meta.language) };
    case "tool":
      return readTool(id, content, meta);
    case "error":
      return { kind: "error", id, content, code: text(meta.error_code) };
    case "thinking":
    case "status":
    case "cancel":
      return { kind: block.block_type, id, content };
    case "voice_input":
    case "voice_output":
      return readVoice(block.block_type, id, content, meta);
    case "action_buttons":
      return { kind: "action_buttons", id, content, buttons: list(meta.buttons ?? block.buttons).slice(0, BUTTONS_MOST).map(readButton) };
    default:
      return { kind: "text", id, content };
  }
}

function readTool(id: string, content: string, meta: Fields): ContentBlock {
  return {
    kind: "tool",
    id,
    content,
    name: text(meta.tool_name) || "tool",
    input: asText(meta.tool_input),
    output: asText(meta.tool_output),
    status: readStatus(meta.tool_status),
  };
}

function readStatus(value: unknown): ToolStatus {
  if (value === "completed" || value === "failed" || value === "running") return value;
  return value === "error" ? "failed" : value === undefined ? "completed" : "running";
}

function readVoice(kind: "voice_input" | "voice_output", id: string, content: string, meta: Fields): ContentBlock {
  const audio = optionalText(meta.audio_base64);
  const duration = number(meta.duration);
  return {
    kind,
    id,
    content,
    messageId: text(meta.message_id) || messageIdOf(text(meta.audio_url)),
    hasAudio: flag(meta.has_audio) ?? audio !== undefined,
    ...(audio !== undefined && { audio }),
    ...(duration !== undefined && { duration }),
  };
}

/** Some workstations name the recording only by its address, whose last part is the message's id. */
function messageIdOf(address: string): string {
  return address.split(/[/?#]/).filter(Boolean).pop() ?? "";
}

function readButton(value: unknown, index: number): ActionButton {
  const button = record(value);
  const style = button.style === "primary" || button.style === "destructive" ? button.style : "secondary";
  const icon = optionalText(button.icon);
  return {
    id: text(button.id) || `button-${index}`,
    title: text(button.title),
    style,
    action: text(button.action),
    ...(icon !== undefined && { icon }),
  };
}

/** Tool input and output are JSON texts by the book; some send the value itself. */
function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  return JSON.stringify(value);
}
