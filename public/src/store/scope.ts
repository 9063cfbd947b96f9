/** What this device's key lets it do; the server enforces it, the screens leave out what would be refused. */

export const SCOPES = ["owner", "full", "chat", "view"] as const;
export type Scope = (typeof SCOPES)[number];

/** An unknown scope of a newer server is shown everything; the server says no where it must. */
export function readScope(value: unknown): Scope {
  return SCOPES.find((scope) => scope === value) ?? "full";
}

interface Known {
  scope: Scope | null;
}

/** Say something, answer, stop, start and end sessions. */
export const maySpeak = ({ scope }: Known): boolean => scope !== null && scope !== "view";
/** Type into terminals, resize and start them. */
export const mayType = ({ scope }: Known): boolean => scope === "owner" || scope === "full";
