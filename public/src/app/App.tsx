/** The frame of every screen: pairing first, else side bar and conversation; toasts, shortcuts and help above. */

import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { pairingInFragment } from "~/protocol/pairing";
import { maySpeak } from "~/store/scope";
import { isTerminal } from "~/store/sessions";
import { SUPERVISOR } from "~/store/state";
import { registerWorker } from "~/sw/register";
import { common } from "~/text/common";
import { Spinner } from "~/ui/icons";
import { useBeside } from "./beside";
import { followOverlays } from "~/ui/overlays";
import { Boundary } from "./Boundary";
import { client, useClient } from "./client";
import { widthOf } from "./listWidth";
import { awaitOffer } from "./install";
import { followKeyboard, useWide } from "./media";
import { DevicesScreen, Divider, NotificationsScreen, PairScreen, SettingsScreen, TerminalScreen, Toasts } from "./parts";
import { addressOf, followHistory, go, goBack, useRoute, type Route } from "./route";
import { keepFocus, useRouteFocus } from "./focus";
import { SessionScreen } from "./SessionScreen";
import { useShortcuts } from "./shortcuts";
import type { OpenedLink } from "~/pairing/PairScreen";
import { Sidebar } from "./Sidebar";
import { applyAppearance } from "./theme";

const NewSession = lazy(() => import("../sessions/NewSession"));
const Palette = lazy(() => import("./Palette"));
const Help = lazy(() => import("../settings/Help"));

/** The pairing text is taken out of the address bar before anything else happens. */
const opened = pairingInFragment(location.hash);
if (opened !== null) history.replaceState(null, "", addressOf({ name: "pair" }));

followHistory();
followOverlays();
awaitOffer();

/** Whether there are workstations is known. */
export const started = client.start();

export default function App() {
  const loaded = useClient((state) => state.loaded);
  const settings = useClient((state) => state.settings);
  const [link, setLink] = useState(opened === null ? null : { text: opened });
  const [update, setUpdate] = useState(false);

  useEffect(() => applyAppearance(settings), [settings]);
  useEffect(() => {
    const stopLate = later();
    const onHash = () => {
      const text = pairingInFragment(location.hash);
      if (text === null) return;
      go({ name: "pair" }, true);
      setLink({ text });
    };
    window.addEventListener("hashchange", onHash);
    // It may have changed while this part was loaded.
    onHash();
    return () => (stopLate(), window.removeEventListener("hashchange", onHash));
  }, []);
  useEffect(() => followKeyboard(), []);
  useEffect(() => keepFocus(), []);
  useEffect(() => registerWorker(() => setUpdate(true)), []);
  useEffect(() => void started.catch((error: unknown) => client.notice("error", String(error))), []);

  if (!loaded) return <Waiting />;
  return (
    <>
      <Screens link={link} onRead={() => setLink(null)} />
      <Suspense fallback={null}>
        <Toasts update={update} />
      </Suspense>
    </>
  );
}

/** Notices and sounds: nothing that the first picture waits for. */
function later(): () => void {
  let over = false;
  const stops: (() => void)[] = [];
  const begun = Promise.all([import("~/notify"), import("~/voice/autoplay"), Divider.preload()]).then(([{ startNotify }, { startAutoplay }]) => {
    if (!over) stops.push(startNotify(client), startAutoplay(client));
  });
  begun.catch(() => {
    // Without a network at the first visit: the client goes on without them.
  });
  return () => ((over = true), stops.forEach((stop) => stop()));
}

function Screens({ link, onRead }: { link: OpenedLink | null; onRead(): void }) {
  const route = useRoute();
  const wide = useWide();
  const nobody = useClient((state) => state.workstations.length === 0);
  const speaks = useClient(maySpeak);
  const { sidebarFolded, sidebarWidth } = useClient((state) => state.settings);
  const [help, setHelp] = useState(false);
  const last = useRef<Route>({ name: "session", key: SUPERVISOR });
  const [palette, setPalette] = useState(false);
  useShortcuts(nobody ? null : { help: () => setHelp(true), palette: () => setPalette(true) });
  useRouteFocus(route, wide, last.current);

  const sheets = (
    <Part at={route.name === "new" ? "new" : help ? "help" : palette ? "palette" : ""} quiet>
      {route.name === "new" && speaks && <NewSession wanted={route.kind} onClose={() => goBack(wide ? last.current : { name: "home" })} />}
      {help && <Help onClose={() => setHelp(false)} />}
      {palette && <Palette onHelp={() => setHelp(true)} onClose={() => setPalette(false)} />}
    </Part>
  );
  if (nobody || route.name === "pair") {
    return (
      <>
        <Part at="pair">
          <PairScreen link={link} first={nobody} onRead={onRead} onDone={() => (onRead(), goBack())} />
        </Part>
        {sheets}
      </>
    );
  }
  // A desk has room for a conversation beside the list; on a phone the list is a screen of its own.
  const shown = wide ? beside(route, last.current) : route;
  if (shown.name === "session") last.current = shown;
  const list = route.name === "home" || route.name === "new";
  return (
    <div style={widthOf(sidebarWidth)} className="relative top-[var(--app-top,0px)] flex h-[var(--app-height,100dvh)] pr-[var(--safe-right)] pl-[var(--safe-left)]">
      {wide && (
        <a href="#main" onClick={skip} className="sr-only z-50 rounded-xl bg-accent px-4 py-3 text-on-accent focus:not-sr-only focus:absolute focus:top-2 focus:left-2">
          {common.skip}
        </a>
      )}
      {(wide ? !sidebarFolded : list) && <Sidebar current={shown.name === "session" ? shown.key : null} wide={wide} onHelp={() => setHelp(true)} onPalette={() => setPalette(true)} />}
      {(wide || !list) && (
        <main id="main" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
          <Part at={addressOf(shown)}>
            {shown.name === "session" && <SessionScreen key={shown.key} sessionKey={shown.key} />}
            {shown.name === "settings" && <SettingsScreen onHelp={() => setHelp(true)} />}
            {shown.name === "devices" && <DevicesScreen />}
            {shown.name === "notifications" && <NotificationsScreen />}
          </Part>
        </main>
      )}
      {wide && shown.name === "session" && <Beside main={shown.key} />}
      {sheets}
    </div>
  );
}

/** A desk always shows a conversation: behind the new-session sheet the one before, else the supervisor's. */
function beside(route: Route, last: Route): Route {
  if (route.name === "new") return last;
  return route.name === "home" ? { name: "session", key: SUPERVISOR } : route;
}

function skip(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** A terminal beside the conversation, while it runs and does not stand in the main place. */
function Beside({ main }: { main: string }) {
  const terminal = useBeside();
  const runs = useClient((state) => terminal !== null && isTerminal(state.sessions.get(terminal)));
  if (terminal === null || !runs || terminal === main) return null;
  return (
    <aside aria-label={common.terminal} className="flex w-1/2 min-w-0 flex-1 flex-col border-l border-line">
      <Part at={terminal}>
        <TerminalScreen key={terminal} sessionId={terminal} beside />
      </Part>
    </aside>
  );
}

function Part({ at, quiet = false, children }: { at: string; quiet?: boolean; children: React.ReactNode }) {
  return (
    <Boundary at={at}>
      <Suspense fallback={quiet ? null : <Waiting />}>{children}</Suspense>
    </Boundary>
  );
}

function Waiting() {
  return (
    <div role="status" aria-label={common.loading} className="m-auto flex h-full min-h-32 items-center justify-center text-muted">
      <Spinner size={24} />
    </div>
  );
}
