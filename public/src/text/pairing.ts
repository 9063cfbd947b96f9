/** Words of pairing. */

import type { PairingProblem } from "~/protocol/pairing";
import { words } from "./words";

export const pairing = words("pairing", {
  title: "Pair a workstation",
  welcome: "Your agents, in your pocket",
  lead: "Talk to the coding agents on your workstation, by text or by voice, and use its terminals from here.",
  start: "Start the workstation; it prints a link and a QR code.",
  linkLabel: "Pairing link or JSON",
  linkPlaceholder: "tiflis://connect?data=…",
  pair: "Pair",
  paste: "Paste",
  scan: "Scan QR",
  byHand: "Enter the details by hand",
  byLink: "Use a link instead",
  name: "Name",
  namePlaceholder: "Optional",
  url: "Server address",
  tunnelId: "Tunnel id",
  key: "Access key",
  showKey: "Show the key",
  hideKey: "Hide the key",
  kept: "The key is kept encrypted in this browser and is sent to this server only.",
  notKept: "This page was not opened with https. The browser therefore offers no encryption: the key is kept only until this tab is closed, and microphone and camera are not to be had.",
  notKeptHere: "This browser keeps nothing for this page, as in a private window: the key is kept only until this tab is closed.",
  pasteForbidden: "The browser does not let this page read the clipboard. Paste with the keyboard or a long press.",
  ask: (name: string, host: string) => `Pair with ${name} at ${host}?`,
  askText: "What you say to your agents goes through this server. Go on only if the link is from your own workstation.",
  foreign: (host: string) => `This page comes from ${host}, the link leads elsewhere.`,
  switches: (name: string) => `${name} stays paired; the new one is shown first.`,
  trying: "Asking the workstation",
  notYet: "Not paired yet",
  offline: "The server knows this workstation, but it is not connected. Start it; the pairing then goes on by itself.",
  problems: {
    empty: "Paste the link that the workstation shows.",
    unreadable: "This is no pairing link. Copy the whole link, from tiflis:// on.",
    "no-tunnel": "The tunnel id is missing.",
    "no-url": "The server's address is missing.",
    "bad-url": "This is no server address. It looks like wss://tunnel.example.com/ws.",
    "short-key": "The access key has at least 16 characters.",
  } satisfies Record<PairingProblem, string>,
});
