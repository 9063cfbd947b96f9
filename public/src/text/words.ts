/** Words in the reader's language: English stands in the files of this folder, another language is laid over it. */

import { isolating } from "./direction";

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;

/** A translation: by the name that a file gives its words. */
export type Translation = Record<string, object>;

const english = new Map<string, object>();
let spoken: Language = "en";
let translation: Translation = {};

/** Register words under a name; they change in place when another language is loaded, before or after. */
export function words<Words extends object>(name: string, text: Words): Words {
  english.set(name, text);
  lay(text, text);
  lay(text, translation[name]);
  return text;
}

/** All English words by their names; the tests compare the translations with them. */
export const registered = (): ReadonlyMap<string, object> => english;

/** The language chosen, else the first of the browser's that there is. */
export function languageFor(chosen: unknown, browser: readonly string[]): Language {
  const wanted = typeof chosen === "string" && chosen !== "system" ? [chosen] : browser;
  return wanted.map((tag) => tag.toLowerCase().split("-")[0]!).find(isLanguage) ?? "en";
}

/** Load the words of a language; without a network at the first visit it stays English. */
export async function speak(language: Language): Promise<void> {
  if (language === "en") return;
  translation = (await (language === "de" ? import("./de") : import("./es"))).default;
  spoken = language;
  for (const [name, text] of english) lay(text, translation[name]);
}

/** For dates and numbers: as the browser has them where it speaks the language, else as the language itself. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.toLowerCase().startsWith(spoken)) ?? spoken;
}

export const language = (): Language => spoken;

function isLanguage(tag: string): tag is Language {
  return Object.hasOwn(LANGUAGES, tag);
}

function lay(onto: object, from: object | undefined): void {
  for (const [key, value] of Object.entries(from ?? {})) {
    const below = (onto as Record<string, unknown>)[key];
    if (typeof value === "object" && value !== null && typeof below === "object" && below !== null) lay(below, value as object);
    else (onto as Record<string, unknown>)[key] = isolating(value);
  }
}
