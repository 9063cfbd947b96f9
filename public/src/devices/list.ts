/** The list of devices while a screen shows it: asked for again and again, and after each change. */

import { createStore } from "zustand/vanilla";
import { RequestFailed } from "~/connection/requests";
import type { Client } from "~/store/client";
import type { Scope } from "~/store/scope";
import { readDevices, readInvitation, type Devices, type Invitation, type Wish } from "./devices";

export interface ListState {
  /** Null until the server has answered. */
  all: Devices | null;
  /** The code of what went wrong the last time; empty when all is well. */
  trouble: string;
}

const PATH = "api/v1/devices";

export class DeviceList {
  readonly store = createStore<ListState>(() => ({ all: null, trouble: "" }));
  private newest = 0;

  constructor(private readonly server: Pick<Client, "ask">) {}

  /** An answer that a later request has overtaken is old, and dropped. */
  load = async (): Promise<void> => {
    const turn = ++this.newest;
    try {
      const all = readDevices(await this.server.ask("GET", PATH));
      if (turn === this.newest) this.store.setState({ all, trouble: "" });
    } catch (error) {
      if (turn === this.newest) this.store.setState({ trouble: error instanceof RequestFailed ? error.code : "INTERNAL_ERROR" });
    }
  };

  /** Load now and every so many milliseconds while the page is visible; return what ends it. */
  follow(every: number): () => void {
    void this.load();
    const timer = setInterval(() => document.visibilityState === "visible" && void this.load(), every);
    return () => clearInterval(timer);
  }

  rename = (id: string, name: string): Promise<void> => this.change("PATCH", `${PATH}/${id}`, { name });
  setScope = (id: string, scope: Scope): Promise<void> => this.change("PATCH", `${PATH}/${id}`, { scope });
  /** Raise `unconfirmed` if the key is gone, but a part of the server has not said yet that it knows. */
  revoke = (id: string): Promise<void> =>
    this.change("DELETE", `${PATH}/${id}`).catch((error: unknown) => {
      const gone = this.store.getState().all?.devices.every((device) => device.id !== id);
      throw gone && error instanceof RequestFailed && error.code === "SEND_FAILED" ? new RequestFailed("unconfirmed") : error;
    });
  setOwnerKey = (ownerKey: Devices["ownerKey"]): Promise<void> => this.change("PATCH", "api/v1/tunnel", { owner_key: ownerKey });

  async invite({ name, scope, expiresIn }: Wish): Promise<Invitation> {
    const wish = { scope, ...(name.trim() && { name: name.trim() }), ...(expiresIn !== null && { expires_in: expiresIn }) };
    const invitation = readInvitation(await this.server.ask("POST", PATH, wish), Date.now());
    void this.load();
    return invitation;
  }

  private async change(method: "PATCH" | "DELETE", path: string, body?: object): Promise<void> {
    try {
      await this.server.ask(method, path, body);
    } finally {
      await this.load(); // also after a failure: it may have been done all the same
    }
  }
}
