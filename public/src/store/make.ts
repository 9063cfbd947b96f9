/** Puts the client together: store, link, vault, courier, historian, terminals. */

import { createStore } from "zustand/vanilla";
import { pageClock } from "../connection/clock";
import { RequestFailed, Requests } from "../connection/requests";
import type { Clock, LinkEvents, Socket } from "../connection/types";
import { onWake } from "../connection/wake";
import { newId } from "../protocol/ids";
import { ANSWER_WITHIN, AUDIO_BYTES_MOST } from "../protocol/limits";
import type { Outgoing } from "../protocol/messages";
import * as outgoing from "../protocol/outgoing";
import * as memory from "../vault/memory";
import { openTab } from "../vault/tabs";
import { openVault, type Vault } from "../vault/vault";
import { toBase64 } from "./base64";
import { applyExecuting, leftBehind } from "./chat";
import type { Client, ClientEvent } from "./client";
import { update, type Core } from "./core";
import { Courier } from "./courier";
import { Dispatch } from "./dispatch";
import { Drafts } from "./drafts";
import { Historian } from "./historian";
import type { Holding } from "./holding";
import { INITIAL, SETTINGS } from "./initial";
import { inChat } from "./outbox";
import { chatOf, counted, isTerminal, sessionCreated, sessionOf, withChat } from "./sessions";
import { QuietAnswers } from "./quiet";
import type { Finder, RunningSearch } from "./search";
import { mayType } from "./scope";
import { askServer, type Fetch } from "./server";
import { Shelf } from "./shelf";
import { Sounds } from "./sounds";
import { Scopes } from "./scopes";
import { SUPERVISOR, type ChatKey, type State } from "./state";
import { Terminals } from "./terminals";
import { PAIRED, Workstations } from "./workstations";

/** What tests bring along in place of the browser's own. */
export interface World {
  open?: (url: string) => Socket;
  fetch?: Fetch;
  visible?: () => boolean;
  clock?: Clock;
  vault?: () => Promise<Vault>;
  wake?: (run: () => void, hidden: () => void) => void;
  otherTabs?: (run: (name: string, before: string | null, now: string | null) => void) => void;
}

export function makeClient(world: World = {}): Client {
  const clock = world.clock ?? pageClock();
  const core = makeCore(clock);
  const fetch: Fetch = world.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const listeners = new Set<(event: ClientEvent) => void>();
  core.emit = (event) => listeners.forEach((listener) => listener(event));

  const courier = new Courier(core);
  const historian = new Historian(core, courier.settle);
  const terminals = new Terminals(core);
  const sounds = new Sounds(core);
  /** Loaded with the first search. */
  let finder: Finder | null = null;
  const drafts = new Drafts(core);
  const shelf = new Shelf(core);
  /** Loaded with the first message that the server keeps; what is called meanwhile is done in order. */
  let holding: Promise<Holding> | null = null;
  function withHolding<Result>(run: (holding: Holding) => Result): Promise<Result> {
    holding ??= import("./holding").then(({ Holding }) => new Holding(core, courier, drafts, (chat) => void historian.loadNewest(chat)));
    holding.catch(() => (holding = null));
    return holding.then(run);
  }
  const dispatch = new Dispatch(core, { courier, holding: (run) => void withHolding(run).catch(() => {}), historian, terminals, sounds, drafts, quiet: new QuietAnswers(core), refused: () => void scopes.learn() });
  const scopes = new Scopes(core, () => client.ask("GET", "api/v1/devices"), () => workstations.asking()?.authKey);
  const workstations = new Workstations(
    core,
    { leave, inherit: (id) => courier.inherit(id), kept: (id) => shelf.load(id), written: () => Promise.all([shelf.written(), courier.written()]), events: linkEvents() },
    world.open ?? ((url) => new WebSocket(url) as unknown as Socket),
    world.visible ?? (() => document.visibilityState === "visible"),
  );
  core.store.subscribe(rememberSessions);
  core.store.subscribe((state) => state.outbox.length > 0 && queueMicrotask(() => courier.pump()));

  function leave(): void {
    shelf.flush();
    core.requests.lost();
    courier.lost();
    terminals.close();
    sounds.clear();
    finder?.clear();
    dispatch.stream.clear();
    core.asked.clear();
  }

  /** Settings are one object for all tabs: what one has set, the others must not set back. */
  function heardOfOtherTab(name: string, before: string | null, now: string | null): void {
    drafts.heard(name, before, now);
    const { current } = core.store.getState();
    if (name === `pinned.${current}`) core.store.setState({ pinned: keptPins() });
    if (name === "settings") update(core, keptSettings);
    if (name === PAIRED) void workstations.reread();
  }

  /** As they are kept now: another tab may have changed them a moment ago. */
  const keptSettings = ({ settings }: State) => ({ settings: { ...settings, ...memory.recall<Partial<State["settings"]>>("settings", {}) } });

  function keptPins(): Set<ChatKey> {
    const { current, pinned } = core.store.getState();
    return new Set(memory.recall<ChatKey[]>(`pinned.${current}`, [...pinned]));
  }

  /** When the state of the workstation was last known; chats that were up to date then are marked with it. */
  let lostAt = 0;

  function linkEvents(): LinkEvents {
    return {
      changed(connection) {
        const { keeps } = core.store.getState().connection;
        core.store.setState({ connection });
        if (connection.keeps && !keeps && core.store.getState().outbox.some(({ state }) => state === "held")) dispatch.parts.holding((each) => each.connected());
      },
      received: dispatch.receive,
      ready(resumed) {
        void scopes.learn();
        if (resumed) dispatch.resumed(lostAt);
        else synchronise();
      },
      lost() {
        const now = clock.now();
        if (core.synced) lostAt = now;
        core.synced = false;
        dispatch.stream.flush();
        core.requests.lost();
        courier.lost();
        terminals.lost();
        update(core, (state) => ({
          chats: new Map([...state.chats].map(([key, chat]) => [key, leftBehind(chat, now)])),
        }));
      },
    };
  }

  function synchronise(): void {
    core.synced = false;
    core.send(outgoing.sync(newId("sync")));
    clock.after(ANSWER_WITHIN, () => core.link?.usable && !core.synced && synchronise());
  }

  async function ask(message: Outgoing & { id: string }): Promise<Record<string, unknown>> {
    const answer = await core.requests.ask(message);
    if (answer.type !== "response") throw new RequestFailed("INVALID_PAYLOAD");
    return answer.payload;
  }

  const client: Client = {
    store: core.store,

    async start() {
      core.store.setState({ settings: { ...SETTINGS, ...memory.recall<Partial<State["settings"]>>("settings", {}) } });
      core.vault = await (world.vault ?? openVault)();
      (world.wake ?? onWake)(() => core.link?.retry(), () => core.link?.hidden());
      (world.otherTabs ?? memory.onChange)(heardOfOtherTab);
      await workstations.load();
    },
    probe: (data, on) => workstations.probe(data, on),
    pair: (data, name = "") => workstations.pair(data, name),
    rename: (id, name) => workstations.rename(id, name),
    forget: (id) => workstations.forget(id),
    select: (id) => workstations.select(id),
    async adopt(id) {
      const { adopt } = await import("./adoption");
      const words = await adopt(core, courier, id, (key) => key === SUPERVISOR || core.store.getState().sessions.has(key));
      const draft = core.store.getState().drafts.get(SUPERVISOR) ?? "";
      if (words.length > 0) drafts.write(SUPERVISOR, [draft, ...words].filter(Boolean).join("\n"));
      await workstations.countWaiting();
    },
    retry: () => core.link?.retry(),
    async ask(method, path, body, workstationId) {
      const asking = workstations.asking(workstationId);
      if (!asking) throw new RequestFailed("offline");
      return askServer(fetch, asking.url, asking, method, path, body);
    },
    redeem: (url, code) => askServer(fetch, url, null, "POST", "api/v1/devices/redeem", { code }),

    watch(key) {
      update(core, ({ unread }) => ({ watching: key, unread: key && unread.get(key) ? new Map(unread).set(key, 0) : unread }));
      if (key === null) return;
      const state = core.store.getState();
      if (isTerminal(state.sessions.get(key)) || state.ended.has(key) || chatOf(state, key).freshness === "fresh" || !core.link?.usable) return;
      // Before the first synchronisation the workstation is not asked yet: the page comes with it.
      if (state.syncedAt !== null) void historian.loadNewest(key);
    },
    loadOlder: async (key) => (core.store.getState().ended.has(key) ? undefined : historian.loadOlder(key)),
    reload: (key) => historian.loadNewest(key),
    loadMany: async (key, wanted) => (core.store.getState().ended.has(key) ? undefined : historian.loadMany(key, wanted)),
    search(words, on) {
      let running: RunningSearch | null = null;
      let stopped = false;
      const begin = ({ Finder }: typeof import("./search")) => {
        finder ??= new Finder(core, historian);
        if (!stopped) running = finder.search(words, on);
      };
      import("./search").then(begin, () => {});
      return { older: () => running?.older(), stop: () => ((stopped = true), running?.stop()) };
    },
    async reveal({ chat, messageId, sequence }) {
      core.store.setState({ revealing: { chat, messageId } });
      if (sequence !== null && !core.store.getState().ended.has(chat)) await historian.loadBackTo(chat, sequence);
    },
    revealed: () => core.store.setState({ revealing: null }),

    send(key, text) {
      if (text.trim()) courier.take(key, { text });
    },
    reply(key, text) {
      const again = inChat(core.store.getState().outbox, key).some((item) => item.reply && item.text === text);
      if (text.trim() && !again) courier.take(key, { text, reply: true });
    },
    async sendVoice(key, recording, format, duration) {
      if (recording.size > AUDIO_BYTES_MOST) throw new RequestFailed("too-long");
      const audio = await toBase64(recording);
      const id = courier.take(key, { text: "", audio, format, ...(duration !== undefined && { duration }) });
      // The workstation may keep it under another id; until its history tells which, it is played from here.
      sounds.keep("input", id, { audio, format });
    },
    push: (id) => courier.push(id),
    hold: (ids, notBefore) => withHolding((each) => each.hold(ids, notBefore)),
    sendAt: (key, text, at) => withHolding((each) => each.sendAt(key, text, at)),
    unhold: (id) => withHolding((each) => each.unhold(id)),
    discard: (id) => courier.discard(id),
    recall(id) {
      const item = core.store.getState().outbox.find((each) => each.id === id);
      courier.discard(id);
      return item?.text ?? "";
    },
    async cancel(key) {
      const waiting = inChat(core.store.getState().outbox, key).some((item) => item.state === "queued");
      if (waiting) update(core, (state) => withChat(state, key, (chat) => ({ ...chat, held: true })));
      const id = newId("cancel");
      const payload = await ask({ ...outgoing.cancel(id, sessionOf(key)), id });
      if (payload.cancelled === false) update(core, (state) => withChat(state, key, (chat) => applyExecuting(chat, false)));
    },
    async clearContext() {
      const id = newId("clear");
      await ask({ ...outgoing.clearContext(id), id });
    },
    draft: (key, text) => drafts.write(key, text),
    pin(key, pinned) {
      const { current } = core.store.getState();
      const next = keptPins();
      if (pinned) next.add(key);
      else next.delete(key);
      core.store.setState({ pinned: next });
      if (current) memory.remember(`pinned.${current}`, [...next]);
    },
    requestAudio: (messageId, kind) => sounds.request(messageId, kind),

    async createSession({ type, workspace, project, worktree }) {
      const id = newId("create");
      const payload = await ask({ ...outgoing.createSession(id, type, workspace, project, worktree), id });
      const session = { id: String(payload.session_id ?? ""), type, status: "active" as const };
      if (!session.id) throw new RequestFailed("INVALID_PAYLOAD");
      // Everybody is told of it in a moment; the creator need not wait to open it.
      if (!core.store.getState().sessions.has(session.id)) {
        update(core, (state) =>
          sessionCreated(state, { ...session, ...(workspace && { workspace }), ...(project && { project }), ...(worktree && { worktree }) }),
        );
        if (type !== "terminal") core.send(outgoing.subscribe(session.id));
      }
      return session.id;
    },
    async terminateSession(sessionId) {
      const id = newId("terminate");
      await ask({ ...outgoing.terminateSession(id, sessionId), id });
    },

    openTerminal: (sessionId, on) => terminals.watch(sessionId, on),
    sendInput: (sessionId, data) => mayType(core.store.getState()) && terminals.input(sessionId, data),
    resize: (sessionId, cols, rows) => mayType(core.store.getState()) && terminals.resize(sessionId, cols, rows),
    replay: (sessionId) => terminals.replay(sessionId),
    bell(sessionId, seen) {
      update(core, ({ watching, unread }) => (seen || watching === sessionId ? {} : { unread: counted(unread, sessionId) }));
      core.emit({ kind: "bell", sessionId });
    },
    read: (key) => update(core, ({ unread }) => (unread.get(key) ? { unread: new Map(unread).set(key, 0) } : {})),

    set(settings) {
      update(core, (state) => ({ settings: { ...keptSettings(state).settings, ...settings } }));
      memory.remember("settings", core.store.getState().settings);
    },
    notice: (kind, text) =>
      update(core, ({ notices }) => ({
        // One per text: said again, it only stays longer.
        notices: [...notices.filter((each) => each.text !== text).slice(-2), { id: newId("notice"), kind, text }],
      })),
    dismiss: (id) => update(core, ({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) })),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return client;
}

function makeCore(clock: Clock): Core {
  const core: Core = {
    store: createStore<State>(() => INITIAL),
    clock,
    requests: new Requests((message) => core.link?.usable === true && core.send(message), clock),
    tab: openTab(),
    deviceId: memory.deviceId(),
    vault: undefined as unknown as Vault,
    link: null,
    synced: false,
    asked: new Set<ChatKey>(),
    emit: () => {},
    send: (message) => core.link?.send(message) ?? false,
  };
  return core;
}

/** The list of sessions of the last visit is shown, marked as old, until the workstation answers. */
function rememberSessions(state: State, before: State): void {
  if (!state.current || state.current !== before.current || state.syncedAt === null) return;
  if (state.sessions === before.sessions && state.workstationName === before.workstationName && state.scope === before.scope) return;
  const { sessions, workstationName, workstationVersion, scope } = state;
  memory.remember(`sessions.${state.current}`, { sessions: [...sessions.values()], workstationName, workstationVersion, scope });
}
