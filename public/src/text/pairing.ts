/** Words of pairing. */

import type { PairingProblem } from "~/protocol/pairing";

export const pairing = {
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
  foreign: (host: string) => `The opened link leads to ${host}. Pair only if it is yours.`,
  paired: "Paired",
  problems: {
    empty: "Paste the link that the workstation shows.",
    unreadable: "This is no pairing link. Copy the whole link, from tiflis:// on.",
    "no-tunnel": "The tunnel id is missing.",
    "no-url": "The server's address is missing.",
    "bad-url": "This is no server address. It looks like wss://tunnel.example.com/ws.",
    "short-key": "The access key has at least 16 characters.",
  } satisfies Record<PairingProblem, string>,
};
