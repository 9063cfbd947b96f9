/** Pages of history and of terminal replay from the wire. */

import type { ContentBlock } from "./blocks";
import { flag, list, moment, number, optionalText, record, text, type Fields } from "./fields";
import type { HistoryEntry, HistoryPage, ReplayPage } from "./messages";
import { readBlocks } from "./readBlocks";

export function readHistory(payload: Fields): HistoryPage {
  const executing = flag(payload.is_executing);
  const error = optionalText(payload.error);
  const page: HistoryPage = {
    sessionId: optionalText(payload.session_id) ?? null,
    entries: list(payload.history).map((each) => readEntry(record(each))).filter((entry) => entry.sequence >= 0),
    hasMore: payload.has_more === true,
    streaming: readBlocks(payload.current_streaming_blocks),
  };
  page.entries.sort((a, b) => a.sequence - b.sequence);
  if (executing !== undefined) page.isExecuting = executing;
  if (error !== undefined) page.error = error;
  return page;
}

function readEntry(fields: Fields): HistoryEntry {
  const sequence = number(fields.sequence) ?? -1;
  const messageId = text(fields.message_id) || `history-${sequence}`;
  return {
    messageId,
    sequence,
    role: fields.role === "user" || fields.role === "system" ? fields.role : "assistant",
    blocks: readBlocks(fields.content_blocks, fields.content).map((block) => named(block, messageId)),
    at: moment(fields.createdAt ?? fields.created_at ?? fields.timestamp, 0),
  };
}

/** A recording or a spoken answer without an id of its own goes by that of its entry. */
function named(block: ContentBlock, messageId: string): ContentBlock {
  const voice = block.kind === "voice_input" || block.kind === "voice_output";
  return voice && !block.messageId ? { ...block, messageId } : block;
}

export function readReplay(payload: Fields): ReplayPage {
  const page: ReplayPage = {
    messages: list(payload.messages).map((each) => {
      const fields = record(each);
      const sequence = number(fields.sequence);
      return { content: text(fields.content), at: moment(fields.timestamp, 0), ...(sequence !== undefined && { sequence }) };
    }),
    hasMore: payload.has_more === true,
  };
  const first = number(payload.first_sequence);
  const last = number(payload.last_sequence);
  const current = number(payload.current_sequence);
  if (first !== undefined) page.firstSequence = first;
  if (last !== undefined) page.lastSequence = last;
  if (current !== undefined) page.currentSequence = current;
  return page;
}
