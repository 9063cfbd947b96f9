/** What outlives the page: paired workstations and unsent messages. */

import type { AudioFormat } from "../protocol/messages";

/** A paired workstation; its key is in the vault, never in the state. */
export interface Workstation {
  id: string;
  name: string;
  tunnelId: string;
  url: string;
  addedAt: number;
}

/** A message of this tab on its way; survives a reload. */
export interface OutboxItem {
  /** A quick reply: it goes no further when another device has answered first. */
  reply?: true;
  id: string;
  /** The key of the chat it belongs to. */
  chat: string;
  /** Empty for a voice message. */
  text: string;
  /** Base64; absent for text. */
  audio?: string;
  format?: AudioFormat;
  duration?: number;
  createdAt: number;
  /** When it last went on the wire; null: never. */
  sentAt: number | null;
  /** When it first went on the wire, or to the server to be held; the newest sequence of its chat by then, and how many live rows said the same. */
  departure?: { at: number; newest: number | null; twins: number };
  /** `queued`: held back while the agent works; `held`: at the server; else as shown under the message. */
  state: "queued" | "waiting" | "sending" | "unsure" | "failed" | "held";
  /** Where it waits at the server: until when (null: not confirmed yet), and not before when. Wall clock, milliseconds. */
  hold?: { until: number | null; notBefore: number | null };
  error: string | null;
}
