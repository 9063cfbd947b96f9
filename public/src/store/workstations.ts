/** The paired workstations: which there are, which one is looked at, and the link to it. */

import { ReconnectingLink } from "../connection/link";
import type { LinkEvents, LinkTarget, Socket } from "../connection/types";
import type { Probe } from "./client";
import { newId } from "../protocol/ids";
import type { SessionInfo } from "../protocol/messages";
import { isDeviceKey, type PairingData } from "../protocol/pairing";
import * as memory from "../vault/memory";
import type { SavedItem, SavedWorkstation } from "../vault/vault";
import type { Core } from "./core";
import { NO_WORKSTATION } from "./initial";
import type { ChatKey, ConnectionState, OutboxItem, State, Workstation } from "./state";

/** Remembered anew with each change of the paired workstations, for the other tabs. */
export const PAIRED = "paired";

export interface Selection {
  /** Everything that belongs to the workstation left. */
  leave(): void;
  inherit(workstationId: string): Promise<OutboxItem[]>;
  /** Once nothing of it is being written any more. */
  written(): Promise<unknown>;
  kept(workstationId: string): Promise<Pick<State, "chats" | "summaries">>;
  events: LinkEvents;
}

export class Workstations {
  private saved: SavedWorkstation[] = [];

  constructor(
    private readonly core: Core,
    private readonly selection: Selection,
    private readonly open: (url: string) => Socket,
    private readonly visible: () => boolean,
  ) {}

  async load(): Promise<void> {
    this.saved = await this.core.vault.workstations();
    this.saved.sort((a, b) => a.addedAt - b.addedAt);
    const wanted = memory.recall<string | null>("current", null);
    const current = this.saved.find((each) => each.id === wanted) ?? this.saved[0];
    this.show();
    if (current) await this.select(current.id);
    this.core.store.setState({ loaded: true, durable: this.core.vault.durable });
  }

  /** The same tunnel paired again keeps its place and its drafts; only key and address change. */
  async pair(data: PairingData, name: string): Promise<string> {
    const known = this.saved.find((each) => each.tunnelId === data.tunnelId && each.url === data.url);
    const workstation: SavedWorkstation = {
      id: known?.id ?? newId("ws"),
      name: name || (known?.name ?? ""),
      tunnelId: data.tunnelId,
      url: data.url,
      authKey: data.key,
      addedAt: known?.addedAt ?? this.core.clock.now(),
    };
    await this.keep(workstation);
    await this.select(workstation.id);
    return workstation.id;
  }

  /** Keeps nothing and leaves the present workstation as it is; `on` is called with each change. */
  probe({ url, tunnelId, key }: PairingData, on: (connection: ConnectionState) => void): Probe {
    let over = false;
    const target: LinkTarget = { url, tunnelId, authKey: key, deviceId: this.core.deviceId };
    const nothing = () => {};
    const changed = (connection: ConnectionState) => void (over || on(connection));
    const link = new ReconnectingLink(target, this.open, this.core.clock, { changed, received: nothing, ready: nothing, lost: nothing });
    link.start();
    return { retry: () => link.retry(), stop: () => ((over = true), link.stop()) };
  }

  async rename(id: string, name: string): Promise<void> {
    const known = this.saved.find((each) => each.id === id);
    if (known) await this.keep({ ...known, name });
  }

  async forget(id: string): Promise<void> {
    this.saved = this.saved.filter((each) => each.id !== id);
    this.show();
    await this.selection.written();
    await this.core.vault.forget(id);
    await this.countWaiting();
    for (const each of [`draft.${id}.`, `sessions.${id}`, `pinned.${id}`]) memory.forgetAll(each);
    memory.remember(PAIRED, newId("paired"));
    if (this.core.store.getState().current === id) await this.select(this.saved[0]?.id ?? null);
  }

  /** Another tab has paired, renamed or forgotten one: show them as they are kept, and leave one that is gone or has another key. */
  async reread(): Promise<void> {
    const { current } = this.core.store.getState();
    const before = this.saved.find((each) => each.id === current);
    this.saved = (await this.core.vault.workstations()).sort((a, b) => a.addedAt - b.addedAt);
    this.show();
    const now = this.saved.find((each) => each.id === current) ?? this.saved[0];
    if (now?.id !== before?.id || now?.authKey !== before?.authKey) await this.select(now?.id ?? null);
  }

  async select(id: string | null): Promise<void> {
    const workstation = this.saved.find((each) => each.id === id);
    this.core.link?.stop();
    this.core.link = null;
    this.selection.leave();
    const known = workstation ? { ...lastVisit(workstation.id), ...(!isDeviceKey(workstation.authKey) && { scope: "owner" as const }) } : {};
    const drafts = workstation ? memory.recallAll<string>(`draft.${workstation.id}.`) : new Map<string, string>();
    const pinned = new Set(workstation ? memory.recall<ChatKey[]>(`pinned.${workstation.id}`, []) : []);
    this.core.store.setState({ ...NO_WORKSTATION, ...known, drafts, pinned, current: workstation?.id ?? null });
    memory.remember("current", workstation?.id);
    this.show();
    void this.countWaiting();
    if (!workstation) return;
    const [outbox, kept] = await Promise.all([this.selection.inherit(workstation.id), this.selection.kept(workstation.id)]);
    // Another one may have been chosen while the vault was read.
    if (this.core.store.getState().current !== workstation.id || this.core.link) return;
    this.core.store.setState((state) => ({ ...kept, outbox: [...outbox, ...state.outbox] }));
    this.core.link = new ReconnectingLink(this.target(workstation), this.open, this.core.clock, this.selection.events);
    this.core.link.start();
  }

  /** Unsent messages of the workstations that are not looked at. */
  async countWaiting(): Promise<void> {
    await this.selection.written();
    const items = await this.core.vault.items().catch((): SavedItem[] => []);
    const { current } = this.core.store.getState();
    const counts = new Map<string, number>();
    for (const { workstationId } of items) {
      if (workstationId !== current) counts.set(workstationId, (counts.get(workstationId) ?? 0) + 1);
    }
    this.core.store.setState({ waitingElsewhere: counts });
  }

  /** The current one, or the one named, as the server wants it in a request. */
  asking(id = this.core.store.getState().current): LinkTarget | null {
    const workstation = this.saved.find((each) => each.id === id);
    return workstation ? this.target(workstation) : null;
  }

  private target({ url, tunnelId, authKey }: SavedWorkstation): LinkTarget {
    return { url, tunnelId, authKey, deviceId: this.core.deviceId, resumes: true, visible: this.visible };
  }

  private async keep(workstation: SavedWorkstation): Promise<void> {
    const others = this.saved.filter((each) => each.id !== workstation.id);
    this.saved = [...others, workstation].sort((a, b) => a.addedAt - b.addedAt);
    await this.core.vault.keep(workstation);
    memory.remember(PAIRED, newId("paired"));
    this.show();
  }

  private show(): void {
    const { current } = this.core.store.getState();
    this.core.store.setState({ workstations: this.saved.map((each) => withoutKey(each, each.id === current)) });
  }
}

/** What was told the last time; an earlier version kept the sessions by their ids. */
function lastVisit(workstationId: string): Partial<State> {
  const { sessions, ...told } = memory.recall<Partial<State> & { sessions?: unknown }>(`sessions.${workstationId}`, {});
  const list = Object.values(sessions ?? {}) as SessionInfo[];
  return { ...told, sessions: new Map(list.map((session) => [session.id, session])) };
}

/** One that is not looked at goes by the name that it told the last time, unless the user gave it one. */
function withoutKey({ id, name, tunnelId, url, addedAt }: SavedWorkstation, current: boolean): Workstation {
  const told = current ? "" : lastVisit(id).workstationName;
  return { id, name: name || told || "", tunnelId, url, addedAt };
}
