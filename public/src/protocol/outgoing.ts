/** Builds every message a client sends, field for field as the workstation takes them. */

import { HISTORY_PAGE } from "./limits";
import type { AudioFormat, Outgoing } from "./messages";

export const connect = (tunnelId: string, authKey: string, deviceId: string, reconnect: boolean, resume?: object): Outgoing => ({
  type: "connect",
  payload: { tunnel_id: tunnelId, auth_key: authKey, device_id: deviceId, ...(reconnect && { reconnect: true }), ...(resume && { resume }) },
});

export const auth = (authKey: string, deviceId: string): Outgoing => ({
  type: "auth",
  payload: { auth_key: authKey, device_id: deviceId },
});

/** `looking`: only for a server that knows cursors. */
export const ping = (timestamp: number, looking?: { seen: number; visible: boolean }): Outgoing => ({ type: "ping", timestamp, ...looking });
export const heartbeat = (id: string, timestamp: number): Outgoing => ({ type: "heartbeat", id, timestamp });
export const sync = (id: string): Outgoing => ({ type: "sync", id });

/** What the server keeps of this device; its id lets an older server answer with an error that goes unnoticed. */
export const listHeld = (): Outgoing => ({ type: "tunnel.held", id: "held" });
export const unhold = (id: string): Outgoing => ({ type: "tunnel.unhold", id });

export const createSession = (
  id: string,
  sessionType: string,
  workspace?: string,
  project?: string,
  worktree?: string,
): Outgoing => ({
  type: "supervisor.create_session",
  id,
  payload: {
    session_type: sessionType,
    ...(workspace && { workspace }),
    ...(project && { project }),
    ...(worktree && { worktree }),
  },
});

export const terminateSession = (id: string, sessionId: string): Outgoing => ({
  type: "supervisor.terminate_session",
  id,
  payload: { session_id: sessionId },
});

export const clearContext = (id: string): Outgoing => ({ type: "supervisor.clear_context", id });

/** `sessionId` null: the supervisor. */
export const cancel = (id: string, sessionId: string | null): Outgoing =>
  sessionId === null ? { type: "supervisor.cancel", id } : { type: "session.cancel", id, session_id: sessionId };

export const say = (id: string, sessionId: string | null, content: string): Outgoing =>
  sessionId === null
    ? { type: "supervisor.command", id, payload: { command: content } }
    : { type: "session.execute", id, session_id: sessionId, payload: { content } };

export const sayVoice = (id: string, sessionId: string | null, audio: string, format: AudioFormat): Outgoing => {
  const payload = { audio, audio_format: format, message_id: id };
  return sessionId === null
    ? { type: "supervisor.command", id, payload }
    : { type: "session.execute", id, session_id: sessionId, payload: { ...payload, tts_enabled: true } };
};

export const subscribe = (sessionId: string): Outgoing => ({ type: "session.subscribe", session_id: sessionId });
export const unsubscribe = (sessionId: string): Outgoing => ({ type: "session.unsubscribe", session_id: sessionId });

export const input = (sessionId: string, data: string): Outgoing => ({
  type: "session.input",
  session_id: sessionId,
  payload: { data },
});

export const resize = (sessionId: string, cols: number, rows: number): Outgoing => ({
  type: "session.resize",
  session_id: sessionId,
  payload: { cols, rows },
});

export const replay = (sessionId: string, sinceSequence: number, limit: number): Outgoing => ({
  type: "session.replay",
  session_id: sessionId,
  payload: { since_sequence: sinceSequence, limit },
});

export const history = (id: string, sessionId: string | null, before?: number, limit = HISTORY_PAGE): Outgoing => ({
  type: "history.request",
  id,
  payload: {
    ...(sessionId !== null && { session_id: sessionId }),
    ...(before !== undefined && { before_sequence: before }),
    limit,
  },
});

/** The specification names the direction `audio_type`, the shipped workstation reads `type`. */
export const audio = (id: string, messageId: string, kind: "input" | "output"): Outgoing => ({
  type: "audio.request",
  id,
  payload: { message_id: messageId, type: kind, audio_type: kind },
});
