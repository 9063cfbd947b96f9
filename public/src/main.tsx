/** The entry: as little as the first picture needs; everything else is loaded beside it. */

import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import "./app/trusted";
import "./app/theme.css";
import { Boundary } from "./app/Boundary";
import { applyAppearance } from "./app/theme";
import { guardComposition } from "./ui/composing";
import { guardDrops } from "./ui/drops";
import { guardPresses } from "./ui/presses";

// Before all other listeners of the window.
guardComposition();
guardPresses();
guardDrops();

const app = import("./app/App");
const App = lazy(() => app);

try {
  const settings = JSON.parse(localStorage.getItem("tiflis.settings") ?? "{}") as Parameters<typeof applyAppearance>[0];
  applyAppearance({ theme: settings.theme ?? "system", textSize: settings.textSize ?? "normal" });
} catch {
  // No storage, no choice made yet: the system's theme.
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Boundary at="app">
      <Suspense fallback={null}>
        <App />
      </Suspense>
    </Boundary>
  </StrictMode>,
);
