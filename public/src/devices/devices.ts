/** The devices of one workstation as the server lists them, and the keys that wait for their device. */

import { list, moment, record, text, type Fields } from "~/protocol/fields";
import { checkPairing, type PairingData } from "~/protocol/pairing";
import { readScope, type Scope } from "~/store/scope";

export type Kind = "browser" | "app" | "watch" | "other";

export interface Device {
  /** Of its key, not of the device. */
  id: string;
  name: string;
  scope: Scope;
  kind: Kind;
  /** No device has used the key yet. */
  waiting: boolean;
  createdAt: number;
  /** Until when a waiting key may find its device. */
  waitsUntil: number | null;
  /** When a share ends; null: never. */
  expiresAt: number | null;
  seenAt: number | null;
  seenFrom: string;
  connected: boolean;
  mine: boolean;
}

/** One that uses the workstation's own key: it has no name and cannot be revoked by itself. */
export interface OwnerDevice {
  id: string;
  kind: Kind;
  connected: boolean;
  mine: boolean;
}

export interface Devices {
  /** What this device may do. */
  scope: Scope;
  /** Whether the workstation's own key takes in devices that are not known yet. */
  ownerKey: "any" | "known";
  devices: Device[];
  ownerDevices: OwnerDevice[];
}

/** A key just made: what the new device needs, in three forms. */
export interface Invitation {
  device: Device;
  /** For the apps: `tiflis://connect?data=…`. */
  link: string;
  /** For a browser: the web client of the server. */
  webLink: string;
  code: string;
  until: number;
}

export interface Wish {
  name: string;
  scope: Scope;
  /** Seconds from now; null: it does not expire. */
  expiresIn: number | null;
}

export function readDevices(answer: Fields): Devices {
  return {
    scope: readScope(record(answer.you).scope),
    ownerKey: answer.owner_key === "known" ? "known" : "any",
    devices: list(answer.devices).map((each) => readDevice(record(each))).filter(({ id }) => id !== ""),
    ownerDevices: list(answer.owner_devices).map((each) => readOwnerDevice(record(each))),
  };
}

function readDevice(fields: Fields): Device {
  return {
    id: text(fields.key_id),
    name: text(fields.name),
    scope: readScope(fields.scope),
    kind: kindOf(text(fields.device_id), text(fields.kind)),
    waiting: fields.state === "waiting",
    createdAt: moment(fields.created, 0),
    waitsUntil: momentOrNull(fields.until),
    expiresAt: momentOrNull(fields.expires),
    seenAt: momentOrNull(fields.last_seen),
    seenFrom: text(fields.address),
    connected: fields.connected === true,
    mine: fields.this === true,
  };
}

function readOwnerDevice(fields: Fields): OwnerDevice {
  const id = text(fields.device_id);
  return { id, kind: kindOf(id, "client"), connected: fields.connected === true, mine: fields.this === true };
}

export function readInvitation(answer: Fields, now: number): Invitation {
  return {
    device: readDevice(record(answer.device)),
    link: text(answer.link),
    webLink: text(answer.web_link),
    code: text(answer.code),
    until: moment(answer.until, now),
  };
}

/** The pairing data behind a code; null if the answer holds none. */
export function readRedeemed(answer: Fields): PairingData | null {
  const { tunnel_id, url, key } = record(answer.pairing);
  const data = checkPairing(text(tunnel_id), text(url), text(key));
  return typeof data === "string" ? null : data;
}

/** This client names itself `web-…`; others are known by how they use their key. */
function kindOf(deviceId: string, told: string): Kind {
  if (deviceId.startsWith("web-")) return "browser";
  if (told === "watch") return "watch";
  return told === "client" ? "app" : "other";
}

function momentOrNull(value: unknown): number | null {
  const at = moment(value, 0);
  return at > 0 ? at : null;
}

/** In use first, the latest seen on top; then what waits, then what is over. */
export function inOrder(devices: Device[], now: number): Device[] {
  const rank = (device: Device) => (isOver(device, now) ? 2 : device.waiting ? 1 : 0);
  return [...devices].sort((a, b) => rank(a) - rank(b) || (b.seenAt ?? b.createdAt) - (a.seenAt ?? a.createdAt));
}

export function isOver({ waiting, waitsUntil, expiresAt }: Device, now: number): boolean {
  return (expiresAt !== null && expiresAt <= now) || (waiting && waitsUntil !== null && waitsUntil <= now);
}

/** What a person typed as a code, in either case, with blanks or dashes anywhere; empty if it is none. */
export function readCode(typed: string): string {
  const code = typed.toUpperCase().replace(/[\s-]/g, "");
  return /^[A-Z0-9]{8}$/.test(code) ? `${code.slice(0, 4)}-${code.slice(4)}` : "";
}
