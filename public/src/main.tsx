/** The entry: as little as the first picture needs; everything else is loaded beside it. */

import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import "./app/trusted";
import "./app/theme.css";
import { Boundary } from "./app/Boundary";
import { appearanceOf, firstScreen, keptSettings } from "./app/firstScreen";
import { part } from "./app/part";
import { ChatScreen, PairScreen } from "./app/parts";
import { applyAppearance } from "./app/theme";
import { languageFor, speak } from "./text/words";
import { guardComposition } from "./ui/composing";
import { guardDrops } from "./ui/drops";
import { guardPresses } from "./ui/presses";

// Before all other listeners of the window.
guardComposition();
guardPresses();
guardDrops();

const App = part(() => import("./app/App"));

const settings = keptSettings();
applyAppearance(appearanceOf(settings));

void begin();

/** No top-level await: other parts import from this one, and would wait for it in a circle. */
async function begin(): Promise<void> {
  await speakTheirs();
  const app = import("./app/App");
  // The page's own picture stays until there is a better one; what cannot be loaded is reported below.
  await Promise.allSettled([App.preload(), first()?.preload(), app.then(({ started }) => started)]);
  createRoot(document.getElementById("root")!).render(
    <StrictMode>
      <Boundary at="app">
        <Suspense fallback={null}>
          <App />
        </Suspense>
      </Boundary>
    </StrictMode>,
  );
}

/** Before any other part is read; in English there is nothing to wait for. */
async function speakTheirs(): Promise<void> {
  const language = languageFor(settings.language, navigator.languages);
  try {
    await speak(language);
    document.documentElement.lang = language;
  } catch {
    // Not to be had now: English, until the next visit.
  }
}

/** The part that the first screen needs, beside the app and not after it. */
function first() {
  const screen = firstScreen();
  if (screen === "list") return null;
  return screen === "chat" ? ChatScreen : PairScreen;
}
