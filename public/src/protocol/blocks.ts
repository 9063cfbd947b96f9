/** Content blocks: what an answer or a message is made of (client protocol, "Content blocks"). */

export interface ActionButton {
  id: string;
  title: string;
  icon?: string;
  style: "primary" | "secondary" | "destructive";
  action: string;
}

export type ToolStatus = "running" | "completed" | "failed";

export type ContentBlock =
  | { kind: "text"; id: string; content: string }
  | { kind: "code"; id: string; content: string; language: string }
  | { kind: "tool"; id: string; content: string; name: string; input: string; output: string; status: ToolStatus }
  | { kind: "thinking"; id: string; content: string }
  | { kind: "status"; id: string; content: string }
  | { kind: "error"; id: string; content: string; code: string }
  | { kind: "cancel"; id: string; content: string }
  | { kind: "voice_input"; id: string; content: string; messageId: string; hasAudio: boolean; audio?: string; duration?: number }
  | { kind: "voice_output"; id: string; content: string; messageId: string; hasAudio: boolean; audio?: string; duration?: number }
  | { kind: "action_buttons"; id: string; content: string; buttons: ActionButton[] };

export type BlockKind = ContentBlock["kind"];
