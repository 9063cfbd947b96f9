/** Every interval, timeout and size the client keeps to; milliseconds unless the name says otherwise. */

/** A link that is silent is found out by a ping this often … */
export const PING_EVERY = 5_000;
/** … unless its pong comes within this time. */
export const PONG_WITHIN = 10_000;
export const HEARTBEAT_EVERY = 10_000;
export const HEARTBEAT_WITHIN = 5_000;
/** Missed heartbeats after which the link is given up. */
export const HEARTBEATS_LOST = 2;

export const RETRY_FIRST = 500;
export const RETRY_MOST = 5_000;
/** A refused key is looked at again this seldom: the server answers ten a minute. */
export const RETRY_REFUSED = 60_000;
/** How long a socket may take to open. */
export const OPEN_WITHIN = 8_000;
export const AUTH_WITHIN = 10_000;

export const ANSWER_WITHIN = 30_000;
/** A message that met no workstation is tried again after this; a short absence is announced by nobody. */
export const REST = 2_000;
export const ACK_WITHIN = 5_000;
export const VOICE_ACK_WITHIN = 10_000;

export const HISTORY_PAGE = 20;
/** Pages fetched to close a gap after an absence; beyond it the older part is let go. */
export const GAP_PAGES = 10;

/** The workstation refuses smaller terminals. */
export const TERMINAL_COLS_LEAST = 40;
export const TERMINAL_ROWS_LEAST = 24;
export const REPLAY_PAGE = 500;

/** Base64 of a recording must pass the tunnel's 50 MiB a message. */
export const AUDIO_BYTES_MOST = 24 * 1024 * 1024;
export const RECORDING_MOST = 5 * 60_000;

/** Text files are written into a message; more than this is for the agent to read from the disk. Bytes, all files together. */
export const FILES_MOST = 100_000;

/** Streamed snapshots are shown at most this often. */
export const STREAM_EVERY = 60;

/** The registry may come back with the tunnel after a restart of the server. */
export const RETRY_UNKNOWN_TUNNEL = 10_000;
/** The server looks at ten keys a minute. */
export const RETRY_LIMITED = 30_000;
/** After a wake-up an answer must come faster than in everyday life. */
export const PROBE_WITHIN = 3_000;
/** An unanswered replay is asked for again. */
export const REPLAY_WITHIN = 5_000;
/** Agents' sessions followed at once: their answers count as unread and ring when done. */
export const FOLLOWED_MOST = 30;

/** An answer without a frame for this long is asked after … */
export const QUIET_FIRST = 3_000;
/** … each time after twice as long, at most this: agents may think for minutes. */
export const QUIET_MOST = 30_000;
/** A recording that is being understood is asked after as late as this. */
export const QUIET_SPOKEN = 60_000;

/** Conversations kept for reading without a connection: this many … */
export const SHELF_CHATS = 12;
/** … each with its newest messages … */
export const SHELF_MESSAGES = 40;
/** … and at most this many characters of them: 12 chats are at most 2.4 MB. */
export const SHELF_CHAT_LENGTH = 200_000;
/** They are written this long after a change. */
export const SHELF_AFTER = 1_000;
/** Conversations of ended sessions that stay readable. */
export const ENDED_MOST = 20;

/** Messages of a page that is fetched to search in: the most a workstation gives. */
export const SEARCH_PAGE = 50;
/** Pages that a search in one conversation fetches before it asks whether to go on: 500 messages. */
export const SEARCH_PAGES = 10;
/** A search over all conversations fetches this many pages of each when it is to go further back … */
export const FIND_PAGES = 4;
/** … of this many conversations at once … */
export const FIND_AT_ONCE = 3;
/** … holds at most this many messages … */
export const FIND_ENTRIES = 5_000;
/** … and shows at most this many places. */
export const FIND_HITS = 100;
/** Pages fetched to bring a found message on screen. */
export const REVEAL_PAGES = 40;

/** A request to the server's own interface. */
export const SERVER_WITHIN = 15_000;

/** Seconds that a message may wait at the server, the most that a server takes by default. */
export const HOLD_MOST = 86_400;
