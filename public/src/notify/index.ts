/** What tells of news while the page is not in view: its title, notifications, a tone. */

import type { Client, ClientEvent, Unsubscribe } from "~/store/client";
import { SUPERVISOR, type State } from "~/store/state";
import { oneLine, type Outcome } from "~/store/news";
import { notifyText as text } from "~/text/notify";
import { sessionTitle } from "~/sessions/order";
import { followArrivals } from "./arrivals";
import { needing, waiting } from "./badge";
import { wanted, wishesOf, type Kind } from "./push";
import { closeRead, show } from "./shown";
import { tone } from "./sound";
import { onScreen, titleFor } from "./title";

const ANSWER_TONE = 660;
const BELL_TONE = 880;
const WORDS: Record<Outcome, (who: string) => string> = { asks: text.needsYou, failed: text.failed, said: text.answerDone, stopped: text.answerDone };
/** Milliseconds in which one terminal rings once: a program may ring a thousand times a second. */
const BELL_CALM = 3000;

/** Show title badge, notifications and sounds for the client's events. Return the way to stop. */
export function startNotify(client: Client): Unsubscribe {
  const calm = new Map<string, number>();
  // On screen the unread mark of another conversation is notice enough. What the user wants of pushed ones holds here too.
  const notify = (kind: Kind, chat: string, title: string, body: string): void => {
    const { settings, current } = client.store.getState();
    if (!looking() && settings.notifications && wanted(wishesOf(current), kind, chat, new Date())) show(client, chat, title, body);
  };
  const hear = (frequency: number): void => {
    if (client.store.getState().settings.sounds) tone(frequency);
  };
  const happened = (event: ClientEvent): void => {
    const state = client.store.getState();
    if (event.kind === "answer-done" && !seen(state, event.chat)) {
      notify(event.outcome === "failed" ? "failed" : "done", event.chat, WORDS[event.outcome](nameOf(state, event.chat)), oneLine(event.text));
      hear(ANSWER_TONE);
    }
    if (event.kind === "bell" && performance.now() - (calm.get(event.sessionId) ?? -BELL_CALM) >= BELL_CALM) {
      calm.set(event.sessionId, performance.now());
      hear(BELL_TONE);
      notify("bell", event.sessionId, text.bell(nameOf(state, event.sessionId)), "");
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
  const stops = [client.onEvent(happened), client.store.subscribe(badge), followArrivals(client), closeRead(client)];
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
  return session ? sessionTitle(session) : text.session;
}

let badged = -1;

function setBadge(count: number): void {
  if (count === badged) return;
  badged = count;
  const bar = navigator as Navigator & { setAppBadge?(count: number): Promise<void>; clearAppBadge?(): Promise<void> };
  const done = count > 0 ? bar.setAppBadge?.(count) : bar.clearAppBadge?.();
  done?.catch(() => undefined);
}
