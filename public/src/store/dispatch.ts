/** What each incoming message does to the state, and what it sets going. */

import type { ContentBlock } from "../protocol/blocks";
import type { Incoming, SyncState } from "../protocol/messages";
import { FOLLOWED_MOST } from "../protocol/limits";
import * as outgoing from "../protocol/outgoing";
import {
  applyEnd,
  applyExecuting,
  applyStreaming,
  applyTranscription,
  applyUserMessage,
  applyVoiceOutput,
  caughtUp,
  isEcho,
} from "./chat";
import { applyOutput, endedBetween } from "./answer";
import { update, type Core } from "./core";
import type { Courier } from "./courier";
import type { Drafts } from "./drafts";
import type { Historian } from "./historian";
import { Following } from "./following";
import type { Holding } from "./holding";
import { newRowKey, plainText } from "./match";
import { outcomeOf } from "./news";
import { chatsInDoubt } from "./outbox";
import { applySync, chatOf, counted, isTerminal, keyOf, sessionCreated, sessionTerminated, withChat } from "./sessions";
import type { QuietAnswers } from "./quiet";
import type { Sounds } from "./sounds";
import { SUPERVISOR, type Chat, type ChatKey } from "./state";
import { Stream } from "./stream";
import type { Terminals } from "./terminals";

type Message<Type extends Incoming["type"]> = Extract<Incoming, { type: Type }>;

export interface Parts {
  courier: Courier;
  historian: Historian;
  terminals: Terminals;
  sounds: Sounds;
  quiet: QuietAnswers;
  drafts: Drafts;
  holding(run: (holding: Holding) => void): void;
  /** Something was refused to this device's key: it may do less than the screens believe. */
  refused(): void;
}

export class Dispatch {
  readonly stream: Stream;
  private readonly following: Following;

  constructor(
    private readonly core: Core,
    readonly parts: Parts,
  ) {
    this.following = new Following((id) => core.send(outgoing.subscribe(id)));
    this.stream = new Stream(core.clock, (output) => this.output(output));
  }

  receive = (message: Incoming): void => {
    if (message.type === "output") return this.stream.take(message);
    this.stream.flush();
    if (this.core.requests.settle(message) && message.type !== "error") return;
    this.handle(message);
  };

  private handle(message: Incoming): void {
    switch (message.type) {
      case "auth.success":
        return this.introduced(message);
      case "sync.state":
        return this.synchronised(message);
      case "ack":
        return void this.parts.courier.acknowledged(message.messageId);
      case "response":
        return void this.parts.courier.acknowledged(message.id);
      case "error":
        return this.failed(message);
      case "session.created":
        return this.created(message);
      case "session.terminated":
        return this.terminated(message.sessionId);
      case "session.subscribed":
        return this.subscribed(message);
      case "session.resized":
        return this.parts.terminals.resized(message);
      case "session.error":
        return this.sessionError(message);
      case "terminal.output":
        return this.parts.terminals.output(message.sessionId, message.content, message.sequence);
      case "replay":
        return this.parts.terminals.replayed(message.sessionId, message.page);
      case "user_message":
        return this.userMessage(message);
      case "transcription":
        return this.chat(keyOf(message.chat), (chat) => applyTranscription(chat, message, this.core.clock.now()));
      case "voice_output":
        return this.spoken(message);
      case "receipt":
        return this.parts.holding((holding) => holding.receipt(message.receipt));
      case "held":
        return this.parts.holding((holding) => holding.listed(message.messages));
      case "context_cleared":
        return this.chat(SUPERVISOR, (chat) => ({ ...chat, messages: [], hasOlder: false, executing: false }));
      default:
        return;
    }
  }

  private introduced({ workstationName, workstationVersion, workspacesRoot }: Message<"auth.success">): void {
    update(this.core, (state) => ({
      workstationName: workstationName ?? state.workstationName,
      workstationVersion: workstationVersion ?? state.workstationVersion,
      workspacesRoot: workspacesRoot ?? state.workspacesRoot,
    }));
  }

  private synchronised({ state: sync }: Message<"sync.state">): void {
    this.core.link?.settled();
    if (this.core.synced) return this.confirmed(sync);
    this.core.synced = true;
    const there = new Set(sync.sessions.map((session) => session.id));
    this.saveWords((chat) => chat !== SUPERVISOR && !there.has(chat));
    update(this.core, (state) => applySync(state, sync, this.core.clock.now()));
    const state = this.core.store.getState();
    const agents = [...state.sessions.values()].filter((session) => !isTerminal(session));
    const followed = agents.slice(-FOLLOWED_MOST).map((session) => session.id);
    this.following.begin(followed);
    this.parts.terminals.resume();
    const behind = this.loadBehind();
    for (const key of [SUPERVISOR, ...followed]) if (!behind.has(key)) void this.parts.historian.peek(key);
    this.parts.courier.pump();
  }

  /** A new socket, and nothing was missed: only what was under way when the old one was lost is done again. */
  resumed(lostAt: number): void {
    this.core.synced = true;
    update(this.core, (state) => ({ chats: new Map([...state.chats].map(([key, chat]) => [key, caughtUp(chat, lostAt)])) }));
    this.following.again();
    this.parts.terminals.resumed();
    this.loadBehind();
    this.parts.courier.pump();
  }

  /** Load what is on screen and not up to date, and what must tell whether a message of ours arrived. */
  private loadBehind(): Set<ChatKey> {
    const state = this.core.store.getState();
    const behind = new Set(chatsInDoubt(state.outbox));
    const { watching } = state;
    if (watching && !isTerminal(state.sessions.get(watching)) && chatOf(state, watching).freshness !== "fresh") behind.add(watching);
    for (const key of behind) if (this.exists(key)) void this.parts.historian.loadNewest(key);
    return behind;
  }

  /** Asked again while all is well: only answers that ended unnoticed are news. */
  private confirmed(sync: SyncState): void {
    const before = this.core.store.getState().chats;
    update(this.core, (state) => applySync(state, sync, this.core.clock.now()));
    for (const [key, chat] of before) this.settleAnswer(key, chat);
  }

  private created({ session }: Message<"session.created">): void {
    update(this.core, (state) => sessionCreated(state, session));
    if (!isTerminal(session)) this.following.add(session.id);
  }

  private terminated(sessionId: string): void {
    this.saveWords((chat) => chat === sessionId);
    update(this.core, (state) => sessionTerminated(state, sessionId));
  }

  /** What waited for a session that is gone becomes its draft, which stays on offer. */
  private saveWords(gone: (chat: ChatKey) => boolean): void {
    for (const [chat, words] of this.parts.courier.discardWhere(gone)) {
      const draft = this.core.store.getState().drafts.get(chat) ?? "";
      this.parts.drafts.write(chat, [...words, draft].filter((text) => text.trim()).join("\n"));
    }
  }

  private subscribed(message: Message<"session.subscribed">): void {
    const { sessionId, isExecuting, streaming, streamingId } = message;
    this.following.confirmed(sessionId);
    const session = this.core.store.getState().sessions.get(sessionId);
    if (message.isMaster !== undefined || isTerminal(session)) return this.parts.terminals.subscribed(message);
    if (isExecuting === undefined) return;
    const now = this.core.clock.now();
    this.answering(sessionId, (chat) =>
      isExecuting ? applyStreaming(applyExecuting(chat, true), streaming, streamingId, now) : applyEnd(chat, streaming, streamingId, now),
    );
  }

  /** A step that may end an answer: then it is counted, told, and the next message goes out. */
  private answering(key: ChatKey, step: (chat: Chat) => Chat): void {
    const before = chatOf(this.core.store.getState(), key);
    this.chat(key, step);
    this.settleAnswer(key, before);
  }

  private settleAnswer(key: ChatKey, before: Chat): void {
    const after = chatOf(this.core.store.getState(), key);
    const [ended] = endedBetween(before, after).slice(-1);
    if (ended && this.exists(key)) this.finished(key, ended.blocks);
    if (before.executing && !after.executing) this.parts.courier.pump();
  }

  private output(output: Message<"output">): void {
    this.parts.quiet.received(keyOf(output.chat));
    this.answering(keyOf(output.chat), (chat) => applyOutput(chat, output, this.core.clock.now()));
    if (output.complete) this.parts.courier.pump();
  }

  private finished(key: ChatKey, blocks: ContentBlock[]): void {
    const outcome = outcomeOf(blocks);
    if (outcome === "stopped") return;
    update(this.core, (state) =>
      state.watching === key ? {} : { unread: counted(state.unread, key) },
    );
    this.core.emit({ kind: "answer-done", chat: key, text: plainText(blocks), outcome });
  }

  private userMessage(message: Message<"user_message">): void {
    const key = keyOf(message.chat);
    const state = this.core.store.getState();
    const now = this.core.clock.now();
    if (message.fromDevice === this.core.deviceId && isEcho(chatOf(state, key), state.outbox, message, now)) return;
    this.core.asked.delete(key);
    this.parts.courier.overtaken(key);
    this.chat(key, (chat) => applyUserMessage(chat, message, now));
  }

  private spoken(message: Message<"voice_output">): void {
    const key = keyOf(message.chat);
    const mine = this.core.asked.has(key) && (message.fromDevice ?? this.core.deviceId) === this.core.deviceId;
    this.parts.sounds.keep("output", message.messageId, { audio: message.audio, format: message.format });
    this.chat(key, (chat) => applyVoiceOutput(chat, message.messageId, message.duration));
    const { audio, format, messageId } = message;
    this.core.emit({ kind: "voice-output", chat: key, messageId, audio, format, mine });
  }

  private sessionError({ sessionId, code, message }: Message<"session.error">): void {
    if (code === "SESSION_NOT_FOUND") return this.terminated(sessionId);
    const step = (chat: Chat) => withError(applyExecuting(chat, false), code, message, this.core.clock.now());
    // An answer that ended with the error was told already.
    if (chatOf(this.core.store.getState(), sessionId).executing) this.answering(sessionId, step);
    else this.chat(sessionId, step);
    this.parts.courier.pump();
  }

  /** An error that answers nothing we asked is shown, unless the link has dealt with it. */
  private failed(error: Message<"error">): void {
    if (error.code === "FORBIDDEN") this.parts.refused();
    const ours = this.parts.courier.refused(error);
    if (ours && error.code === "SESSION_BUSY") return this.show(error);
    if (!ours && error.id === undefined && error.code !== "WORKSTATION_OFFLINE") this.show(error);
  }

  private show(error: Message<"error">): void {
    this.core.store.setState((state) => ({
      notices: [...state.notices.slice(-2), { id: `error-${this.core.clock.now()}`, kind: "error", text: error.code === "FORBIDDEN" ? error.code : error.message || error.code }],
    }));
  }

  private chat(key: ChatKey, step: (chat: Chat) => Chat): void {
    if (this.exists(key)) update(this.core, (state) => withChat(state, key, step));
  }

  /** Words about a session that is gone, or was never told of, open no chat. */
  private exists(key: ChatKey): boolean {
    return key === SUPERVISOR || this.core.store.getState().sessions.has(key);
  }
}

function withError(chat: Chat, code: string, message: string, now: number): Chat {
  return {
    ...chat,
    messages: [
      ...chat.messages,
      {
        key: newRowKey(),
        messageId: null,
        label: null,
        sequence: null,
        role: "assistant",
        blocks: [{ kind: "error", id: "error", content: message || code, code }],
        at: now,
        seenAt: now,
        streaming: false,
        delivery: null,
        foreign: false,
      },
    ],
  };
}
