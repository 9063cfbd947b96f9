/** A client without a browser: time that the test turns, a socket that remembers, a vault in memory. */

import type { Clock, Socket } from "../connection/types";
import { makeClient } from "../store/make";
import type { State } from "../store/state";
import { TabVault, type Piece } from "../vault/vault";

export class TestClock implements Clock {
  private time = 1_700_000_000_000;
  private timers: { at: number; run: () => void }[] = [];

  now = () => this.time;

  after = (milliseconds: number, run: () => void) => {
    const timer = { at: this.time + milliseconds, run };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((each) => each !== timer));
  };

  pass(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((each) => each !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }
}

type Frame = { type: string; id?: string; session_id?: string; payload?: Record<string, unknown> };

export class TestSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 0;
  readonly sent: Frame[] = [];

  constructor(readonly url: string) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Frame);
  }

  close(): void {
    this.readyState = 3;
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  says(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  breaks(): void {
    this.readyState = 3;
    this.onclose?.({ code: 1006, reason: "" });
  }

  of(type: string): Frame[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  last(type: string): Frame {
    const frame = this.of(type).at(-1);
    if (!frame) throw new Error(`no ${type} was sent; sent were: ${this.sent.map((each) => each.type).join(", ")}`);
    return frame;
  }
}

/** The server's own interface: what was asked of it, and what it answers. */
export class TestServer {
  readonly asked: { method: string; url: string; headers: Record<string, string>; body: unknown }[] = [];
  answer: (method: string, path: string) => [status: number, body: unknown] = () => [404, { error: "Not Found", code: "NOT_FOUND" }];

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const method = init.method ?? "GET";
    this.asked.push({ method, url, headers: init.headers as Record<string, string>, body: init.body ? JSON.parse(init.body as string) : undefined });
    const [status, body] = this.answer(method, new URL(url).pathname);
    return new Response(JSON.stringify(body), { status });
  };
}

export function memoryStorage(): Pick<Storage, "getItem" | "setItem"> {
  const values = new Map<string, string>();
  return { getItem: (name) => values.get(name) ?? null, setItem: (name, value) => void values.set(name, value) };
}

/** The browser's storage that outlives a page. */
export function localStorageStub() {
  const values = new Map<string, string>();
  return {
    getItem: (name: string) => values.get(name) ?? null,
    setItem: (name: string, value: string) => void values.set(name, value),
    removeItem: (name: string) => void values.delete(name),
    key: (index: number) => [...values.keys()][index] ?? null,
    get length() {
      return values.size;
    },
  };
}

const shelves = new WeakMap<object, Map<string, string>>();

/** As the sealed vault, by way of JSON, and gone with its storage. */
export class TestVault extends TabVault {
  readonly kept: Map<string, string>;

  constructor(storage: ReturnType<typeof memoryStorage>) {
    super(storage);
    this.kept = shelves.get(storage) ?? new Map<string, string>();
    shelves.set(storage, this.kept);
  }

  override pieces = async (workstationId?: string): Promise<Piece[]> =>
    [...this.kept.values()].map((text) => JSON.parse(text) as Piece).filter((piece) => piece.workstationId === workstationId);
  override keepPiece = async (piece?: Piece): Promise<void> => void this.kept.set(`${piece!.workstationId} ${piece!.name}`, JSON.stringify(piece));
  override dropPiece = async (workstationId?: string, name?: string): Promise<void> => void this.kept.delete(`${workstationId} ${name}`);

  override async forget(workstationId: string): Promise<void> {
    await super.forget(workstationId);
    for (const key of this.kept.keys()) if (key.startsWith(`${workstationId} `)) this.kept.delete(key);
  }
}

export const PAIRING = { tunnelId: "tunnel-1", url: "wss://example.test/ws", key: "0123456789abcdef" };

export function makeWorld(storage = memoryStorage()) {
  const clock = new TestClock();
  const sockets: TestSocket[] = [];
  const vault = new TestVault(storage);
  const server = new TestServer();
  let otherTab = (_name: string, _before: string | null, _now: string | null) => {};
  let wake = () => {};
  let hide = () => {};
  let visible = true;
  const client = makeClient({
    clock,
    open: (url) => {
      const socket = new TestSocket(url);
      sockets.push(socket);
      return socket;
    },
    fetch: server.fetch,
    visible: () => visible,
    vault: async () => vault,
    otherTabs: (run) => void (otherTab = run),
    wake: (run, hidden) => void ((wake = run), (hide = hidden)),
  });
  const world = {
    client,
    server,
    clock,
    sockets,
    storage,
    vault,
    wake: () => wake(),
    /** The screen is locked. */
    hide: () => ((visible = false), hide()),
    /** Another tab changes what is kept under this name. */
    otherTab: (name: string, before: unknown, now: unknown) => otherTab(name, JSON.stringify(before), JSON.stringify(now)),
    get socket(): TestSocket {
      return sockets.at(-1)!;
    },
    get state(): State {
      return client.store.getState();
    },
    /** Lets promises run: nothing here takes more turns than this. */
    settle: async () => {
      for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
    },
    async paired(sync: Record<string, unknown> = {}) {
      await client.start();
      if (world.state.current === null) await client.pair(PAIRING);
      world.accept(sync);
      await world.settle();
      return world;
    },
    accept(sync: Record<string, unknown> = {}) {
      world.socket.opens();
      world.socket.says({ type: "connected", payload: { tunnel_id: "tunnel-1", tunnel_version: "1.0.0", protocol_version: "1.0.0" } });
      world.socket.says({ type: "auth.success", payload: { device_id: "d", workstation_name: "Desk" } });
      world.sync(sync);
    },
    sync(payload: Record<string, unknown> = {}) {
      world.socket.says({ type: "sync.state", payload: { sessions: [], subscriptions: [], ...payload } });
    },
    /** Answers the newest history question. */
    history(entries: Record<string, unknown>[], more: Record<string, unknown> = {}) {
      const { id } = world.socket.last("history.request");
      world.socket.says({ type: "history.response", id, payload: { session_id: null, history: entries, has_more: false, ...more } });
      return world.settle();
    },
  };
  return world;
}

export const entry = (sequence: number, role: "user" | "assistant", content: string, id = `m${sequence}`) => ({
  message_id: id,
  sequence,
  role,
  content,
  createdAt: new Date(1_700_000_000_000 + sequence * 1000).toISOString(),
});
