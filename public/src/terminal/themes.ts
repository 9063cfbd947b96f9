/** The terminal's colours on a light and on a dark page. */

import type { ITheme } from "@xterm/xterm";

const DARK: ITheme = {
  background: "#0e0f10",
  foreground: "#e6e6e8",
  cursor: "#4fcfb3",
  cursorAccent: "#0e0f10",
  selectionBackground: "#4fcfb34d",
  black: "#2b2d33",
  red: "#ef6f6c",
  green: "#8cc265",
  yellow: "#e5c07b",
  blue: "#6ea8fe",
  magenta: "#c792ea",
  cyan: "#5fc9c3",
  white: "#d7d4cd",
  brightBlack: "#80838d",
  brightRed: "#ff8f8a",
  brightGreen: "#a9dc7f",
  brightYellow: "#ffd58a",
  brightBlue: "#93c1ff",
  brightMagenta: "#ddb3ff",
  brightCyan: "#84e3dd",
  brightWhite: "#ffffff",
};

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1f1d1a",
  cursor: "#0b6e5f",
  cursorAccent: "#ffffff",
  selectionBackground: "#0b6e5f33",
  black: "#23252b",
  red: "#b3261e",
  green: "#2f6f1e",
  yellow: "#835c00",
  blue: "#1f5fbf",
  magenta: "#8135a8",
  cyan: "#0d6a6a",
  white: "#6a6c72",
  brightBlack: "#5d6068",
  brightRed: "#c4362d",
  brightGreen: "#397f25",
  brightYellow: "#8c6500",
  brightBlue: "#2a6bd0",
  brightMagenta: "#9143ba",
  brightCyan: "#147878",
  brightWhite: "#3a3c42",
};

export function terminalTheme(dark: boolean): ITheme {
  return dark ? DARK : LIGHT;
}

/** Whether the page is dark now: its own `color-scheme` knows, whoever set it. */
export function pageIsDark(): boolean {
  const scheme = getComputedStyle(document.documentElement).colorScheme;
  if (scheme === "dark" || scheme === "light") return scheme === "dark";
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Calls `on` whenever the page may have changed between light and dark. */
export function onPageTheme(on: () => void): () => void {
  const query = window.matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(on);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style", "data-theme"] });
  query.addEventListener("change", on);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", on);
  };
}
