/** Reads one text from the socket into an `Incoming`; nothing that arrives makes it throw. */

import { flag, list, moment, number, optionalText, record, text, type Fields } from "./fields";
import type { Incoming, Receipt } from "./messages";
import { readBlocks } from "./readBlocks";
import { readHistory, readReplay } from "./readHistory";
import { readSession, readSync } from "./readSession";

interface Frame {
  top: Fields;
  payload: Fields;
  now: number;
}

type Reader = (frame: Frame) => Incoming;

/** `now`: the moment a message without a timestamp is taken to be from. */
export function readMessage(raw: unknown, now: number): Incoming {
  const top = parse(raw);
  if (top === null) return { type: "unknown", name: null };
  const name = text(top.type);
  const read = READERS[name];
  if (!read || !Object.hasOwn(READERS, name)) return { type: "unknown", name };
  return read({ top, payload: record(top.payload), now });
}

/** null: no JSON object. */
function parse(raw: unknown): Fields | null {
  if (typeof raw !== "string") return null;
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

const READERS: Record<string, Reader> = {
  connected: ({ payload }) => ({
    type: "connected",
    restored: payload.restored === true,
    tunnelVersion: text(payload.tunnel_version),
    ...optional("resume", readResume(record(payload.resume))),
  }),
  "tunnel.mark": ({ top }) => ({ type: "mark", epoch: text(top.epoch), seq: number(top.seq) ?? 0 }),
  "tunnel.receipt": ({ top }) => ({ type: "receipt", receipt: readReceipt(top) }),
  "tunnel.held": ({ top }) => ({ type: "held", messages: top.unavailable === true ? null : list(top.messages).map((each) => readReceipt(record(each))).filter(({ id }) => id !== "") }),
  pong: ({ top }) => ({ type: "pong", timestamp: number(top.timestamp) ?? 0 }),
  error: readError,
  "auth.success": ({ payload }) => ({
    type: "auth.success",
    ...optional("workstationName", optionalText(payload.workstation_name)),
    ...optional("workstationVersion", optionalText(payload.workstation_version)),
    ...optional("workspacesRoot", optionalText(payload.workspaces_root)),
  }),
  "auth.error": ({ payload }) => ({ type: "auth.error", code: text(payload.code), message: text(payload.message) }),
  "sync.state": ({ payload }) => ({ type: "sync.state", state: readSync(payload) }),
  "heartbeat.ack": ({ top, payload }) => ({
    type: "heartbeat.ack",
    id: text(top.id) || text(payload.id),
    ...optional("uptime", number(top.workstation_uptime_ms ?? payload.workstation_uptime_ms)),
  }),
  "connection.workstation_offline": () => ({ type: "connection.offline" }),
  "connection.workstation_online": () => ({ type: "connection.online" }),
  response: ({ top, payload }) => ({ type: "response", id: text(top.id), payload }),
  "message.ack": ({ top, payload }) => ({
    type: "ack",
    messageId: text(payload.message_id) || text(top.message_id),
    ...optional("sessionId", optionalText(payload.session_id)),
  }),
  "session.created": ({ top, payload }) => ({ type: "session.created", session: readSession(payload, text(top.session_id)) }),
  "session.terminated": (frame) => ({ type: "session.terminated", sessionId: sessionOf(frame) }),
  "session.subscribed": readSubscribed,
  "session.unsubscribed": (frame) => ({ type: "session.unsubscribed", sessionId: sessionOf(frame) }),
  "session.resized": (frame) => ({
    type: "session.resized",
    sessionId: sessionOf(frame),
    success: frame.payload.success === true,
    cols: number(frame.payload.cols) ?? 0,
    rows: number(frame.payload.rows) ?? 0,
    ...optional("reason", optionalText(frame.payload.reason)),
  }),
  "session.error": (frame) => ({
    type: "session.error",
    sessionId: sessionOf(frame),
    code: text(frame.payload.code),
    message: text(frame.payload.message),
  }),
  "session.replay.data": (frame) => ({ type: "replay", sessionId: sessionOf(frame), page: readReplay(frame.payload) }),
  "session.output": readSessionOutput,
  "supervisor.output": (frame) => readOutput(frame, null),
  "session.user_message": (frame) => readUserMessage(frame, sessionOf(frame)),
  "supervisor.user_message": (frame) => readUserMessage(frame, null),
  "session.transcription": (frame) => readTranscription(frame, sessionOf(frame)),
  "supervisor.transcription": (frame) => readTranscription(frame, null),
  "session.voice_output": (frame) => readVoiceOutput(frame, sessionOf(frame)),
  "supervisor.voice_output": (frame) => readVoiceOutput(frame, null),
  "supervisor.context_cleared": () => ({ type: "context_cleared" }),
  "history.response": ({ top, payload }) => ({ type: "history", id: text(top.id), page: readHistory(payload) }),
  "audio.response": ({ top, payload }) => ({
    type: "audio",
    id: text(top.id),
    messageId: text(payload.message_id),
    ...optional("audio", optionalText(payload.audio) ?? optionalText(payload.audio_base64)),
    ...optional("error", optionalText(payload.error)),
  }),
};

/** undefined: the server knows no cursors. */
function readResume({ epoch, seq, verdict }: Fields): { epoch: string; seq: number; verdict: string } | undefined {
  const at = number(seq);
  return text(epoch) && at !== undefined ? { epoch: text(epoch), seq: at, verdict: text(verdict) } : undefined;
}

const STATES: readonly Receipt["state"][] = ["held", "delivered", "expired", "cancelled", "unsure", "refused"];

function readReceipt(fields: Fields): Receipt {
  return {
    id: text(fields.id),
    state: STATES.find((state) => state === fields.state) ?? "unknown",
    ...optional("kind", optionalText(fields.kind)),
    ...optional("until", number(fields.until)),
    ...optional("notBefore", number(fields.not_before)),
    ...optional("reason", optionalText(fields.reason)),
  };
}

function readError({ top, payload }: Frame): Incoming {
  return {
    type: "error",
    code: text(payload.code) || "INTERNAL_ERROR",
    message: text(payload.message),
    ...optional("id", optionalText(top.id)),
    ...optional("reason", record(payload.details).owner_key === "known" ? "owner-key" : undefined),
  };
}

function readSubscribed(frame: Frame): Incoming {
  const fields = { ...frame.top, ...frame.payload };
  return {
    type: "session.subscribed",
    sessionId: sessionOf(frame),
    streaming: readBlocks(fields.current_streaming_blocks),
    ...optional("isMaster", flag(fields.is_master)),
    ...optional("cols", number(fields.cols)),
    ...optional("rows", number(fields.rows)),
    ...optional("isExecuting", flag(fields.is_executing)),
    ...optional("streamingId", optionalText(fields.streaming_message_id)),
  };
}

function readSessionOutput(frame: Frame): Incoming {
  const sessionId = sessionOf(frame);
  if (frame.payload.content_type === "terminal") {
    return {
      type: "terminal.output",
      sessionId,
      content: text(frame.payload.content),
      at: moment(frame.payload.timestamp, frame.now),
      ...optional("sequence", number(frame.payload.sequence)),
    };
  }
  if (frame.payload.content_type === "transcription") return readTranscription(frame, sessionId);
  return readOutput(frame, sessionId);
}

function readOutput({ top, payload, now }: Frame, chat: string | null): Incoming {
  return {
    type: "output",
    chat,
    blocks: readBlocks(payload.content_blocks, payload.content),
    at: moment(payload.timestamp, now),
    complete: payload.is_complete === true,
    ...optional("streamingId", optionalText(top.streaming_message_id) ?? optionalText(payload.streaming_message_id)),
    ...optional("sequence", number(payload.sequence ?? top.sequence)),
  };
}

function readUserMessage({ top, payload, now }: Frame, chat: string | null): Incoming {
  const fields = { ...top, ...payload };
  return {
    type: "user_message",
    chat,
    blocks: readBlocks(fields.content_blocks, fields.content),
    at: moment(fields.timestamp, now),
    ...optional("fromDevice", optionalText(fields.from_device_id)),
    ...optional("messageId", optionalText(fields.message_id)),
  };
}

function readTranscription({ top, payload }: Frame, chat: string | null): Incoming {
  const fields = { ...top, ...payload };
  return {
    type: "transcription",
    chat,
    text: text(fields.text) || text(fields.transcription) || text(fields.content),
    ...optional("messageId", optionalText(fields.message_id)),
    ...optional("error", optionalText(fields.error)),
  };
}

function readVoiceOutput({ top, payload }: Frame, chat: string | null): Incoming {
  const fields = { ...top, ...payload };
  return {
    type: "voice_output",
    chat,
    audio: text(fields.audio) || text(fields.audio_base64),
    format: text(fields.audio_format) || "mp3",
    messageId: text(fields.message_id),
    ...optional("duration", number(fields.duration)),
    ...optional("fromDevice", optionalText(fields.from_device_id)),
  };
}

function sessionOf({ top, payload }: Frame): string {
  return text(top.session_id) || text(payload.session_id);
}

/** `{}` or `{name: value}`: absent fields stay absent. */
function optional<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value };
}
