/** The entry: as little as the first picture needs; everything else is loaded beside it. */

import { StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import "./app/trusted";
import "./app/theme.css";
import { Boundary } from "./app/Boundary";
import { WIDE } from "./app/media";
import { part } from "./app/part";
import { ChatScreen, PairScreen } from "./app/parts";
import { applyAppearance } from "./app/theme";
import type { Settings } from "./store/state";
import { languageFor, speak } from "./text/words";
import { guardComposition } from "./ui/composing";
import { guardDrops } from "./ui/drops";
import { guardPresses } from "./ui/presses";

// Before all other listeners of the window.
guardComposition();
guardPresses();
guardDrops();

const App = part(() => import("./app/App"));

let chosen: unknown;
try {
  const settings = JSON.parse(localStorage.getItem("tiflis.settings") ?? "{}") as Partial<Settings>;
  chosen = settings.language;
  applyAppearance({ theme: settings.theme ?? "system", textSize: settings.textSize ?? "normal" });
} catch {
  // No storage, no choice made yet: the system's theme.
}

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
  const language = languageFor(chosen, navigator.languages);
  try {
    await speak(language);
    document.documentElement.lang = language;
  } catch {
    // Not to be had now: English, until the next visit.
  }
}

/** What the first screen needs most likely, beside the app and not after it. */
function first() {
  if (!paired()) return PairScreen;
  return matchMedia(WIDE).matches || location.hash.startsWith("#/s/") ? ChatScreen : null;
}

function paired(): boolean {
  try {
    return localStorage.getItem("tiflis.current") !== null && !location.hash.includes("data=");
  } catch {
    return false;
  }
}
