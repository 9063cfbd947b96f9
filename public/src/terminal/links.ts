/** Addresses in a terminal's output: opened, and listed. */

import type { IMarker, Terminal } from "@xterm/xterm";
import { terminalText } from "~/text/terminal";

/** Addresses that a list shows at most; the newest are kept. */
export const LISTED = 200;
/** Addresses behind other words that are remembered per terminal, at most; each costs a little on every line that scrolls out. */
const NAMED_MOST = 200;
/** Characters of an address that a browser still opens. */
const LENGTH_MOST = 2_000;
const ADDRESS = /\bhttps?:\/\/[^\s"'!*(){}|\\^<>`]*[^\s"':,.!?{}|\\^~[\]`()<>]/gi;

/** Remembers the addresses that a program puts behind words of its own (OSC 8), with the lines they stand in. */
export class NamedLinks {
  /** Where each address was written last. */
  private readonly found = new Map<string, IMarker>();

  constructor(terminal: Terminal) {
    terminal.parser.registerOscHandler(8, (data) => {
      const address = data.slice(data.indexOf(";") + 1);
      if (isAddress(address)) this.add(address, terminal.registerMarker(0));
      // The terminal's own handler draws the link.
      return false;
    });
  }

  /** The addresses that still stand in the scrollback or on the screen, by line. */
  byLine(): Map<number, string[]> {
    const lines = new Map<number, string[]>();
    for (const [address, marker] of this.found) {
      if (!marker.isDisposed) lines.set(marker.line, [...(lines.get(marker.line) ?? []), address]);
    }
    return lines;
  }

  private add(address: string, marker: IMarker): void {
    this.remove(address);
    this.found.set(address, marker);
    if (this.found.size > NAMED_MOST) this.remove(this.found.keys().next().value!);
  }

  private remove(address: string): void {
    this.found.get(address)?.dispose();
    this.found.delete(address);
  }
}

/** Each address in the scrollback and on the screen once, the newest first; at most `LISTED`. */
export function linksOf(terminal: Terminal, named: NamedLinks): string[] {
  const hidden = named.byLine();
  const found = new Set<string>();
  const buffer = terminal.buffer.active;
  let below = "";
  let behind: string[] = [];
  for (let at = buffer.length - 1; at >= 0 && found.size < LISTED; at -= 1) {
    const line = buffer.getLine(at);
    // A line that goes on in the next one fills its whole width.
    below = (line?.translateToString(below === "") ?? "") + below;
    behind = [...(hidden.get(at) ?? []), ...behind];
    if (line?.isWrapped) continue;
    const shown = [...below.matchAll(ADDRESS)].map(([address]) => address).filter(isAddress);
    for (const address of [...shown, ...behind].reverse()) found.add(address);
    [below, behind] = ["", []];
  }
  return [...found].slice(0, LISTED);
}

/** Opens an address that stands on the screen as it is. */
export function open(address: string): void {
  if (isAddress(address)) window.open(address, "_blank", "noopener,noreferrer");
}

/** Asks first: a program chose the words, and the address may be quite another one. */
export function openNamed(address: string): void {
  if (window.confirm(terminalText.openLink(address))) open(address);
}

const isAddress = (address: string): boolean => /^https?:\/\//i.test(address) && address.length <= LENGTH_MOST && URL.canParse(address);
