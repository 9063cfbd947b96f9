/** Tells the user what happened while the page was not looked at: title, notifications, a tone. */

import type { Client, ClientEvent, Unsubscribe } from "~/store/client";
import { SUPERVISOR, type State } from "~/store/state";
import { oneLine, type Outcome } from "~/store/news";
import { notifyText as text } from "~/text/notify";
import { followArrivals, type Open } from "./arrivals";
import { needing, waiting } from "./badge";
import { tone } from "./sound";
import { onScreen, titleFor } from "./title";

const ANSWER_TONE = 660;
const BELL_TONE = 880;
const WORDS: Record<Outcome, (who: string) => string> = { asks: text.needsYou, failed: text.failed, said: text.answerDone, stopped: text.answerDone };
/** Milliseconds in which one terminal rings once: a program may ring a thousand times a second. */
const BELL_CALM = 3000;

/** Title badge, notifications and sounds from the client's events; `open` brings a chat or terminal on screen. */
export function startNotify(client: Client, open: Open): Unsubscribe {
  const calm = new Map<string, number>();
  // Who looks at another conversation of this page sees its unread mark; that is notice enough.
  const show = (chat: string, title: string, body: string): void => {
    if (!looking() && client.store.getState().settings.notifications) notification(chat, title, body, open);
  };
  const hear = (frequency: number): void => {
    if (client.store.getState().settings.sounds) tone(frequency);
  };
  const happened = (event: ClientEvent): void => {
    const state = client.store.getState();
    if (event.kind === "answer-done" && !seen(state, event.chat)) {
      show(event.chat, WORDS[event.outcome](nameOf(state, event.chat)), oneLine(event.text));
      hear(ANSWER_TONE);
    }
    if (event.kind === "bell" && performance.now() - (calm.get(event.sessionId) ?? -BELL_CALM) >= BELL_CALM) {
      calm.set(event.sessionId, performance.now());
      hear(BELL_TONE);
      show(event.sessionId, text.bell(nameOf(state, event.sessionId)), "");
    }
  };
  const badge = (): void => {
    const state = client.store.getState();
    const unread = waiting(state.unread);
    const key = needing(state);
    document.title = titleFor({ unread, needs: key === null ? "" : nameOf(state, key), ...onScreen(state, location.hash) });
    setBadge(unread);
  };
  badge();
  window.addEventListener("hashchange", badge);
  const stops = [client.onEvent(happened), client.store.subscribe(badge), followArrivals(client, open)];
  return () => {
    window.removeEventListener("hashchange", badge);
    for (const stop of stops) stop();
    document.title = text.title;
    setBadge(0);
  };
}

/** Asks for permission from a user's gesture; "denied" also where the browser has none to give. */
export async function askToNotify(): Promise<NotificationPermission> {
  if (!("Notification" in window) || !window.isSecureContext) return "denied";
  if (Notification.permission !== "default") return Notification.permission;
  try {
    return await Notification.requestPermission();
  } catch {
    return "denied";
  }
}

function looking(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

function seen(state: State, chat: string): boolean {
  return looking() && state.watching === chat;
}

function nameOf(state: State, chat: string): string {
  if (chat === SUPERVISOR) return text.supervisor;
  const session = state.sessions.get(chat);
  if (!session) return text.session;
  return session.agentAlias ?? session.project ?? (session.type === "terminal" ? text.terminal : session.type);
}

function notification(chat: string, title: string, body: string, open: (chat: string) => void): void {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const icon = new URL("icons/icon-192.png", document.baseURI).href;
  try {
    // One a chat: a newer one takes the place of an older one.
    const shown = new Notification(title, { body, tag: `tiflis-${chat}`, icon });
    shown.onclick = () => {
      window.focus();
      open(chat);
      shown.close();
    };
  } catch {
    void throughWorker(chat, title, body, icon);
  }
}

/** Android's Chrome shows notifications only through the service worker. */
async function throughWorker(chat: string, title: string, body: string, icon: string): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  await registration?.showNotification(title, { body, tag: `tiflis-${chat}`, icon, data: { chat } }).catch(() => undefined);
}

let badged = -1;

function setBadge(count: number): void {
  if (count === badged) return;
  badged = count;
  const bar = navigator as Navigator & { setAppBadge?(count: number): Promise<void>; clearAppBadge?(): Promise<void> };
  const done = count > 0 ? bar.setAppBadge?.(count) : bar.clearAppBadge?.();
  done?.catch(() => undefined);
}
