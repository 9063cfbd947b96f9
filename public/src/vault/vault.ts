/**
 * Where the browser keeps what must outlive the page: workstations with their keys, unsent messages, and the
 * last conversations.
 *
 * Sealed in the database where the page is secure (https or localhost). Elsewhere the browser has no
 * cryptography to offer: then everything lives in the tab's session storage and goes with the tab.
 */

import * as database from "./database";
import type { OutboxItem, Workstation } from "./kept";
import { makeKey, seal, unseal, type Sealed } from "./seal";

export interface SavedWorkstation extends Workstation {
  authKey: string;
}

/** An unsent message, with the tab that sends it and the workstation it is for. */
export interface SavedItem {
  workstationId: string;
  tab: string;
  item: OutboxItem;
}

/** Something of one workstation that is kept for reading without a connection. */
export interface Piece {
  workstationId: string;
  name: string;
  at: number;
  value: unknown;
}

export interface Vault {
  /** False: kept only as long as the tab. */
  readonly durable: boolean;
  workstations(): Promise<SavedWorkstation[]>;
  keep(workstation: SavedWorkstation): Promise<void>;
  forget(workstationId: string): Promise<void>;
  items(): Promise<SavedItem[]>;
  keepItem(saved: SavedItem): Promise<void>;
  dropItem(id: string): Promise<void>;
  /** Only a durable vault has any: a tab's storage is small and in the clear. */
  pieces(workstationId: string): Promise<Piece[]>;
  keepPiece(piece: Piece): Promise<void>;
  dropPiece(workstationId: string, name: string): Promise<void>;
}

export async function openVault(): Promise<Vault> {
  if (!globalThis.isSecureContext || !globalThis.indexedDB || !globalThis.crypto?.subtle) return new TabVault(sessionStorage);
  try {
    const key = (await database.get("secrets", "key")) ?? (await database.addOnce("secrets", "key", await makeKey()));
    return new SealedVault(key as CryptoKey);
  } catch {
    return new TabVault(sessionStorage);
  }
}

class SealedVault implements Vault {
  readonly durable = true;

  constructor(private readonly key: CryptoKey) {}

  workstations = () => this.read<SavedWorkstation>("workstations");
  items = () => this.read<SavedItem>("outbox");

  async keep(workstation: SavedWorkstation): Promise<void> {
    await database.put("workstations", workstation.id, await seal(this.key, workstation));
  }

  async forget(workstationId: string): Promise<void> {
    await database.remove("workstations", workstationId);
    await database.removeBeginning("pieces", `${workstationId} `);
    for (const saved of await this.items()) {
      if (saved.workstationId === workstationId) await this.dropItem(saved.item.id);
    }
  }

  async keepItem(saved: SavedItem): Promise<void> {
    await database.put("outbox", saved.item.id, await seal(this.key, saved));
  }

  async dropItem(id: string): Promise<void> {
    await database.remove("outbox", id);
  }

  pieces = (workstationId: string) => this.open<Piece>(database.beginning("pieces", `${workstationId} `));

  async keepPiece(piece: Piece): Promise<void> {
    await database.put("pieces", `${piece.workstationId} ${piece.name}`, await seal(this.key, piece));
  }

  async dropPiece(workstationId: string, name: string): Promise<void> {
    await database.remove("pieces", `${workstationId} ${name}`);
  }

  private read<Value>(shelf: database.Shelf): Promise<Value[]> {
    return this.open(database.all(shelf));
  }

  private async open<Value>(found: Promise<unknown[]>): Promise<Value[]> {
    const sealed = (await found) as Sealed[];
    const values = await Promise.all(sealed.map((each) => unseal(this.key, each)));
    return values.filter((value) => value !== undefined) as Value[];
  }
}

export class TabVault implements Vault {
  readonly durable = false;

  constructor(private readonly storage: Pick<Storage, "getItem" | "setItem">) {}

  workstations = async () => this.read<SavedWorkstation>("workstations");
  items = async () => this.read<SavedItem>("outbox");

  async keep(workstation: SavedWorkstation): Promise<void> {
    const others = this.read<SavedWorkstation>("workstations").filter((each) => each.id !== workstation.id);
    this.write("workstations", [...others, workstation]);
  }

  async forget(workstationId: string): Promise<void> {
    this.write("workstations", this.read<SavedWorkstation>("workstations").filter((each) => each.id !== workstationId));
    this.write("outbox", this.read<SavedItem>("outbox").filter((each) => each.workstationId !== workstationId));
  }

  async keepItem(saved: SavedItem): Promise<void> {
    const others = this.read<SavedItem>("outbox").filter((each) => each.item.id !== saved.item.id);
    this.write("outbox", [...others, saved]);
  }

  async dropItem(id: string): Promise<void> {
    this.write("outbox", this.read<SavedItem>("outbox").filter((each) => each.item.id !== id));
  }

  pieces = async (): Promise<Piece[]> => [];
  keepPiece = async (): Promise<void> => {};
  dropPiece = async (): Promise<void> => {};

  private read<Value>(name: string): Value[] {
    try {
      return JSON.parse(this.storage.getItem(`tiflis.${name}`) ?? "[]") as Value[];
    } catch {
      return [];
    }
  }

  /** A full storage (a long recording) must not lose the message in memory too. */
  private write(name: string, values: unknown[]): void {
    try {
      this.storage.setItem(`tiflis.${name}`, JSON.stringify(values));
    } catch {
      // It lives on in memory.
    }
  }
}
