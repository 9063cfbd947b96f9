/**
 * The terminal's screen: xterm.js with our colours, sizes and manners. No React in here.
 *
 * What people type comes out of `typed`; what the terminal says by itself (reports) is let through only
 * when the output that asked for it is live and this screen is the master's.
 */

import { FitAddon } from "@xterm/addon-fit";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { terminalText } from "~/text/terminal";
import { letterOf } from "~/ui/letters";
import { pasted } from "./clean";
import { isReport, type Modifiers, type RowKey } from "./keys";
import { linksOf, NamedLinks, open, openNamed } from "./links";
import { type Size, asked, fittingFont, fontSize, SMALLEST } from "./size";
import { onPageTheme, pageIsDark, terminalTheme } from "./themes";
import { scrollByTouch } from "./touch";

export const SCROLLBACK = 10_000;
/** Keys that write no letter, to which a held Ctrl or Alt applies as well. */
const NAMED = /^(Arrow\w+|Home|End|Page\w+|Delete|Insert|Tab|Backspace|Enter|F\d+)$/;
const FAMILY = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

export interface ScreenEvents {
  typed(data: string): void;
  /** What the key row holds down for the next key. */
  held(): Modifiers;
  bell(): void;
  /** Room for this many columns and rows at the present font size. */
  room(size: Size): void;
  /** The user wants the selection copied. */
  copy(text: string): void;
  /** Text from outside, pasted or dropped. */
  paste(text: string): void;
  /** Fingers ask for another font size. */
  font(size: number): void;
  /** A finger moves sideways by one step. */
  swipe(key: RowKey): void;
  /** Whether the view has left the bottom, where output arrives. */
  away(away: boolean): void;
}

export class Screen {
  readonly terminal: Terminal;
  private readonly fit = new FitAddon();
  private readonly named: NamedLinks;
  private readonly undo: (() => void)[] = [];
  private follows: Size | undefined;
  private quiet = 0;
  private wantedFont: number;
  private isAway = false;
  private readonly widthPerPoint = letterWidth();

  constructor(
    private readonly host: HTMLElement,
    private readonly events: ScreenEvents,
    font: number,
  ) {
    this.wantedFont = fontSize(font);
    this.terminal = new Terminal({
      scrollback: SCROLLBACK,
      fontSize: this.wantedFont,
      fontFamily: FAMILY,
      theme: terminalTheme(pageIsDark()),
      minimumContrastRatio: 4.5,
      cursorBlink: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      // Option makes letters, and on many keyboards the only way to | ~ @ and brackets.
      macOptionIsMeta: false,
      rightClickSelectsWord: true,
      // Marks the matches of a search.
      allowProposedApi: true,
      linkHandler: { activate: (_event, address) => openNamed(address) },
    });
    this.terminal.loadAddon(this.fit);
    this.terminal.loadAddon(new WebLinksAddon((_event, address) => open(address)));
    this.named = new NamedLinks(this.terminal);
    this.terminal.open(host);
    this.listen();
  }

  /** `replayed` text is old: it rings no bell, and nobody waits for an answer to it any more. */
  write(text: string, replayed: boolean): void {
    if (!replayed) {
      this.terminal.write(text, () => this.showCursor());
      return;
    }
    this.terminal.write("", () => (this.quiet += 1));
    this.terminal.write(text, () => {
      this.quiet -= 1;
      this.showCursor();
    });
  }

  /** A dim line where output is missing. */
  gap(): void {
    this.terminal.write(`\r\n\x1b[2m[${terminalText.lost}]\x1b[0m\r\n`);
  }

  reset(): void {
    this.terminal.write("", () => this.terminal.reset());
  }

  /** Takes over the master's size and shows its whole width, or (without a size) becomes its own. */
  follow(size: Size | undefined): void {
    this.follows = size;
    this.measure();
  }

  font(size: number): void {
    this.wantedFont = fontSize(size);
    this.measure();
  }

  /** Fits the terminal to its window, and says so. */
  measure(): void {
    if (this.host.clientWidth === 0 || this.host.clientHeight === 0) return;
    const cols = this.follows?.cols ?? SMALLEST.cols;
    this.terminal.options.fontSize = fittingFont(this.wantedFont, cols, this.innerWidth(), this.widthPerPoint);
    if (this.follows) {
      this.terminal.resize(this.follows.cols, this.follows.rows);
    } else {
      const room = this.fit.proposeDimensions();
      if (room) {
        const size = asked(room);
        this.terminal.resize(size.cols, size.rows);
        this.events.room(size);
      }
    }
    this.showCursor();
  }

  /** The size that fits this window at the wanted font, whoever sets the real one. */
  ownSize(): Size {
    const before = this.terminal.options.fontSize;
    this.terminal.options.fontSize = this.wantedFont;
    const room = this.fit.proposeDimensions();
    this.terminal.options.fontSize = before;
    return asked(room ?? SMALLEST);
  }

  /** Keys go nowhere while nobody is there to take them. */
  deaf(deaf: boolean): void {
    this.terminal.options.disableStdin = deaf;
  }

  /** A key that was pressed elsewhere, encoded as xterm.js does for its own. */
  key({ key, code, keyCode, shiftKey, ctrlKey, altKey }: KeyboardEvent, held: Modifiers): void {
    const copy = new KeyboardEvent("keydown", { key, code, shiftKey, ctrlKey: ctrlKey || held.ctrl, altKey: altKey || held.alt, cancelable: true });
    Object.defineProperty(copy, "keyCode", { value: keyCode });
    this.terminal.textarea?.dispatchEvent(copy);
  }

  toBottom(): void {
    this.terminal.scrollToBottom();
  }

  get applicationKeys(): boolean {
    return this.terminal.modes.applicationCursorKeysMode;
  }

  /** What `text` becomes when it is pasted into what runs now. */
  paste(text: string): string {
    return pasted(text, this.terminal.modes.bracketedPasteMode);
  }

  /** The last lines as plain text, wrapped ones joined. */
  text(lines = 1000): string {
    const buffer = this.terminal.buffer.active;
    const parts: string[] = [];
    for (let at = Math.max(0, buffer.length - lines); at < buffer.length; at += 1) {
      const line = buffer.getLine(at);
      if (!line) continue;
      if (line.isWrapped && parts.length > 0) parts[parts.length - 1] += line.translateToString(true);
      else parts.push(line.translateToString(true));
    }
    return parts.join("\n").trimEnd();
  }

  /** The addresses in the scrollback and on the screen, the newest first. */
  links(): string[] {
    return linksOf(this.terminal, this.named);
  }

  /** On a phone the native line types: the hidden field of xterm must not open a keyboard of its own. */
  letOthersType(): void {
    const field = this.terminal.textarea;
    if (!field) return;
    field.readOnly = true;
    field.tabIndex = -1;
    field.setAttribute("inputmode", "none");
    // xterm draws no cursor before its first focus.
    this.terminal.focus();
    this.terminal.blur();
  }

  close(): void {
    for (const one of this.undo) one();
    this.terminal.dispose();
  }

  private listen(): void {
    const { terminal } = this;
    terminal.textarea?.setAttribute("aria-label", terminalText.screen);
    terminal.onData((data) => this.typed(data));
    terminal.onBell(() => {
      if (this.quiet > 0) return;
      this.flash();
      this.events.bell();
    });
    terminal.attachCustomKeyEventHandler((event) => this.takes(event));
    const observer = new ResizeObserver(() => this.measure());
    observer.observe(this.host);
    this.undo.push(
      () => observer.disconnect(),
      onPageTheme(() => (terminal.options.theme = terminalTheme(pageIsDark()))),
      scrollByTouch(this.host, {
        lineHeight: () => this.cellHeight(),
        lines: (count) => this.scroll(count),
        swipe: (key) => this.events.swipe(key),
        pinch: () => this.pinch(),
      }),
      takeFromOutside(this.host, (text) => this.events.paste(text)),
    );
    terminal.onRender(() => this.watchPlace());
    terminal.onScroll(() => this.watchPlace());
  }

  private watchPlace(): void {
    const { viewportY, baseY } = this.terminal.buffer.active;
    if (this.isAway === viewportY < baseY) return;
    this.isAway = !this.isAway;
    this.events.away(this.isAway);
  }

  private pinch(): (scale: number) => void {
    const before = this.wantedFont;
    return (scale) => {
      const size = fontSize(Math.round(before * scale));
      if (size !== this.wantedFont) this.events.font(size);
    };
  }

  /** The bell for the eye: not everybody hears it, and sound may be off. */
  private flash(): void {
    this.host.animate([{ filter: "invert(0.15)" }, { filter: "none" }], 300);
  }

  private typed(data: string): void {
    if (isReport(data) && (this.quiet > 0 || this.follows)) return;
    this.events.typed(data);
  }

  /** False: the browser's own copy and paste, not the shell's control characters. */
  private takes(event: KeyboardEvent): boolean {
    const held = this.events.held();
    if (event.isTrusted && event.type === "keydown" && NAMED.test(event.key) && (held.ctrl || held.alt)) {
      event.preventDefault();
      this.key(event, held);
      return false;
    }
    if (!event.ctrlKey || event.altKey || event.metaKey) return true;
    const key = letterOf(event);
    if (key === "v") return false;
    if (key !== "c" || !(this.terminal.hasSelection() || event.shiftKey)) return true;
    event.preventDefault();
    if (event.type === "keydown") {
      this.events.copy(this.terminal.getSelection());
      this.terminal.clearSelection();
    }
    return false;
  }

  /** A full-screen program without a past of its own gets the wheel instead. */
  private scroll(lines: number): void {
    const { terminal } = this;
    if (terminal.buffer.active.type === "normal" && terminal.modes.mouseTrackingMode === "none") {
      terminal.scrollLines(lines);
      return;
    }
    const box = this.host.getBoundingClientRect();
    const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    const wheel = new WheelEvent("wheel", { deltaY: lines * this.cellHeight(), ...middle, bubbles: true, cancelable: true });
    terminal.element?.querySelector(".xterm-screen")?.dispatchEvent(wheel);
  }

  private innerWidth(): number {
    const style = getComputedStyle(this.host);
    // The scroll bar that xterm reserves at the right.
    return this.host.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
  }

  private cellHeight(): number {
    const screen = this.terminal.element?.querySelector(".xterm-screen");
    return (screen?.getBoundingClientRect().height ?? 0) / this.terminal.rows || 17;
  }

  /** A window lower than the smallest terminal shows the part where things happen. */
  private showCursor(): void {
    const spare = this.host.scrollHeight - this.host.clientHeight;
    if (spare <= 0) return;
    const row = this.terminal.buffer.active.cursorY + 2;
    this.host.scrollTop = Math.max(0, row * this.cellHeight() - this.host.clientHeight);
  }
}

/**
 * The width of a letter at a font of one pixel. Not read off the screen, which is drawn a moment after
 * columns or font have changed.
 */
function letterWidth(): number {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return 0.6;
  context.font = `100px ${FAMILY}`;
  return context.measureText("W").width / 100;
}

/** Before xterm.js, which passes control characters on. Returns the way to stop. */
function takeFromOutside(host: HTMLElement, take: (text: string) => void): () => void {
  const over = new AbortController();
  const options = { capture: true, signal: over.signal };
  const taken = (event: Event, from: DataTransfer | null): void => {
    event.preventDefault();
    event.stopPropagation();
    const text = from?.getData("text/plain") ?? "";
    if (text !== "") take(text);
  };
  host.addEventListener("paste", (event) => taken(event, event.clipboardData), options);
  host.addEventListener("drop", (event) => taken(event, event.dataTransfer), options);
  host.addEventListener("dragover", (event) => event.preventDefault(), options);
  return () => over.abort();
}
