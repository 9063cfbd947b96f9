/** What the palette offers beside sessions and messages: actions and settings, by the words of both. */

import { maySpeak } from "~/store/scope";
import type { Settings } from "~/store/state";
import { chat } from "~/text/chat";
import { connection } from "~/text/connection";
import { palette as words } from "~/text/palette";
import { sessions } from "~/text/sessions";
import { help as helpText, settings as text } from "~/text/settings";
import type { IconName } from "~/ui/icons";
import { client } from "./client";
import { nameOf } from "./ConnectionCard";
import { placeOf } from "./places";
import { go } from "./route";
import { screenAction } from "./shortcuts";

export interface Command {
  id: string;
  group: "sessions" | "actions" | "settings" | "messages";
  icon: IconName;
  title: string;
  detail?: string;
  run(): void;
}

export function actions(onHelp: () => void): Command[] {
  const state = client.store.getState();
  const { workstations, current } = state;
  const action = (icon: IconName, title: string, run: () => void): Command => ({ id: `action ${title}`, group: "actions", icon, title, run });
  const others = workstations.filter(({ id }) => id !== current);
  return [
    ...(maySpeak(state) ? [action("plus", sessions.new, () => go({ name: "new" }))] : []),
    action("search", chat.search, () => void screenAction("search")),
    action("arrowDown", chat.jump, () => void screenAction("latest")),
    action("settings", text.title, () => go({ name: "settings" })),
    action("phone", text.devices, () => go({ name: "devices" })),
    action("help", helpText.title, onHelp),
    action("refresh", connection.retryNow, () => client.retry()),
    action("desk", text.add, () => go({ name: "pair" })),
    ...others.map((each) => ({
      ...action("desk", words.workstation(nameOf(each, "")), () => (go({ name: "home" }), void client.select(each.id))),
      id: `workstation ${each.id}`,
      detail: placeOf(each, workstations),
    })),
  ];
}

export function settingCommands(): Command[] {
  const { settings } = client.store.getState();
  const setting = (title: string, change: Partial<Settings>): Command => ({
    id: `setting ${title}`,
    group: "settings",
    icon: "settings",
    title,
    run: () => client.set(change),
  });
  const flip = (key: "showThinking" | "autoplay" | "sounds", name: string) =>
    setting(settings[key] ? words.switchOff(name) : words.switchOn(name), { [key]: !settings[key] });
  const themes = Object.entries(text.themes) as [Settings["theme"], string][];
  const sizes = Object.entries(text.textSizes) as [Settings["textSize"], string][];
  return [
    ...themes.filter(([theme]) => theme !== settings.theme).map(([theme, name]) => setting(words.theme(name), { theme })),
    ...sizes.filter(([textSize]) => textSize !== settings.textSize).map(([textSize, name]) => setting(words.textSize(name), { textSize })),
    flip("showThinking", text.showThinking),
    flip("autoplay", text.autoplay),
    flip("sounds", text.sounds),
  ];
}
