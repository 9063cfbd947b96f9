/**
 * The script in the page's head, run before anything is drawn: theme, text size, language and the picture that
 * stands until the client does. It also asks for the parts of the first screen, which the page itself cannot
 * know. `scripts/firstPaint.ts` puts it into the page; where a policy forbids that, the page shows its name.
 */

import { appearanceOf, firstScreen, keptSettings } from "./app/firstScreen";
import { applyAppearance } from "./app/theme";
import { languageFor } from "./text/words";

const root = document.documentElement;
const settings = keptSettings();
const screen = firstScreen();

applyAppearance(appearanceOf(settings));
root.lang = languageFor(settings.language, navigator.languages);
root.dataset.first = screen;

// Names of files by screen and language, as the build found them.
const { dataset } = document.currentScript as HTMLScriptElement;
for (const part of [root.lang, screen]) {
  for (const href of dataset[part]?.split(" ") ?? []) {
    const link = document.createElement("link");
    Object.assign(link, { rel: "modulepreload", crossOrigin: "", href });
    document.head.append(link);
  }
}
