/** The palette: one field that finds sessions, actions, settings and words in all conversations. */

import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { agentAndPath, endOfPath, sessionOrder, sessionTitle } from "~/sessions/order";
import type { RunningSearch, Search } from "~/store/search";
import { SUPERVISOR } from "~/store/state";
import { comparable, fits } from "~/store/words";
import { chat as chatText } from "~/text/chat";
import { common, errors } from "~/text/common";
import { palette as text } from "~/text/palette";
import { sessions as sessionsText } from "~/text/sessions";
import { Icon, Spinner } from "~/ui/icons";
import { useBackCloses } from "~/ui/overlays";
import { letterOf } from "~/ui/letters";
import { client, useClient } from "./client";
import { actions, settingCommands, type Command } from "./commands";
import { go } from "./route";
import { useUsable } from "./usable";

/** Letters from which messages are searched. */
const SEARCH_FROM = 2;
/** A pause in typing before that; milliseconds. */
const PAUSE = 250;
/** Of each group, while nothing is asked for. */
const SHOWN = 8;

interface PaletteProps {
  onHelp(): void;
  onClose(): void;
}

export default function Palette({ onHelp, onClose }: PaletteProps) {
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(0);
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useId();
  useBackCloses(onClose);
  const sessions = useSessions();
  const search = useSearch(wanted);
  const found = useMemo(
    () => [...fitting([...sessions, ...actions(onHelp), ...settingCommands()], wanted), ...messagesOf(search.found)],
    [sessions, wanted, search.found, onHelp],
  );
  const chosen = found[Math.min(at, found.length - 1)];
  const chosenId = chosen && optionId(list, chosen);

  useLayoutEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  useEffect(() => {
    // Not at each news of a session or a search: the list may have been scrolled away from it.
    if (chosenId) document.getElementById(chosenId)?.scrollIntoView({ block: "nearest" });
  }, [chosenId, wanted]);

  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    // Once the focus has gone back to where it was: the command may send it elsewhere.
    setTimeout(command.run);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") return;
    event.stopPropagation();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const again = (event.ctrlKey || event.metaKey) && letterOf(event) === "k";
    const enter = event.key === "Enter" && !(event.target instanceof HTMLButtonElement);
    if (!step && !again && !enter) return;
    event.preventDefault();
    if (step) setAt((Math.min(at, found.length - 1) + step + found.length) % Math.max(1, found.length));
    else if (again) onClose();
    else run(chosen);
  };
  return (
    <dialog
      ref={dialog}
      aria-label={text.title}
      onCancel={(event) => (event.preventDefault(), onClose())}
      onClick={(event) => event.target === dialog.current && onClose()}
      onKeyDown={onKeyDown}
      className="sheet mx-auto mt-[max(1rem,var(--safe-top))] w-[calc(100%-1.5rem)] max-w-xl bg-transparent p-0 text-text backdrop:bg-black/40 sm:mt-[12vh]"
    >
      <div className="flex max-h-[calc(var(--app-height,100dvh)*0.8)] flex-col rounded-2xl border border-line bg-raised shadow-high">
        <div className="flex items-center gap-2 border-b border-line pr-3 pl-4">
          <Icon name="search" size={18} className="text-muted" />
          <input
            autoFocus
            role="combobox"
            aria-expanded="true"
            aria-controls={list}
            aria-activedescendant={chosenId}
            aria-autocomplete="list"
            aria-label={text.title}
            placeholder={text.placeholder}
            value={wanted}
            dir="auto"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => (setWanted(event.target.value), setAt(0))}
            className="h-13 min-w-0 flex-1 bg-transparent text-base text-ellipsis outline-none placeholder:text-muted"
          />
          {search.found?.busy && <Spinner size={16} />}
        </div>
        <div id={list} role="listbox" aria-label={text.title} tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto p-1.5">
          {groupsOf(found).map(([group, commands]) => (
            <div key={group} role="group" aria-label={text[group]}>
              <div aria-hidden="true" className="px-3 pt-2 pb-1 text-xs font-medium text-muted">
                {text[group]}
              </div>
              {commands.map((command) => (
                <Option key={command.id} id={optionId(list, command)} command={command} chosen={command === chosen} onPick={() => run(command)} />
              ))}
            </div>
          ))}
        </div>
        <Foot found={found.length} search={search} />
      </div>
    </dialog>
  );
}

interface OptionProps {
  id: string;
  command: Command;
  chosen: boolean;
  onPick(): void;
}

function Option({ id, command, chosen, onPick }: OptionProps) {
  return (
    <div
      id={id}
      role="option"
      aria-selected={chosen}
      onClick={onPick}
      className="flex min-h-11 cursor-pointer items-center gap-3 rounded-lg px-3 py-1.5 hover:bg-hover aria-selected:bg-accent-soft"
    >
      <Icon name={command.icon} size={18} className="text-muted" />
      <span className="min-w-0 flex-1">
        <span dir="auto" className="block truncate">
          {command.title}
        </span>
        {command.detail && (
          <span className="block truncate text-[0.8125rem] text-muted">
            {command.detail}
          </span>
        )}
      </span>
    </div>
  );
}

/** How far the search has looked, and the way on, or why there is none. */
function Foot({ found, search }: { found: number; search: Searching }) {
  const messages = search.found;
  const usable = useUsable();
  if (found > 0 && !messages) return null;
  const on = messages?.more && !messages.busy;
  return (
    <div role="status" className="flex min-h-11 flex-wrap items-center justify-end gap-2 border-t border-line px-4 text-xs text-muted">
      {found === 0 && !messages && <span>{text.none}.</span>}
      {messages && (
        <span className="flex-1 basis-40 py-1.5">
          {found === 0 && !messages.busy && `${text.none}. `}
          {messages.busy ? chatText.searching : text.searched(messages.searched)}
          {messages.hits.length < messages.found && ` ${text.first(messages.hits.length, messages.found)}`}
          {on && messages.full && ` ${text.full}`}
          {on && !usable && ` ${errors.offline}`}
        </span>
      )}
      {on && usable && !messages.full && (
        <button type="button" className="min-h-11 shrink-0 rounded-lg px-3 font-medium text-accent hover:bg-hover" onClick={search.older}>
          {text.older}
        </button>
      )}
    </div>
  );
}

const optionId = (list: string, command: Command) => `${list}-${command.id.replace(/\s+/g, "-")}`;

function useSessions(): Command[] {
  const listed = useClient((state) => state.sessions);
  return useMemo(() => {
    const open = (key: string) => () => go({ name: "session", key });
    const supervisor: Command = {
      id: `session ${SUPERVISOR}`,
      group: "sessions",
      icon: "spark",
      title: common.supervisor,
      detail: sessionsText.supervisorHint,
      run: open(SUPERVISOR),
    };
    const others = sessionOrder(client.store.getState()).flatMap((key): Command[] => {
      const session = listed.get(key);
      if (!session) return [];
      const detail = agentAndPath(session, endOfPath(session));
      return [{ id: `session ${key}`, group: "sessions", icon: session.type === "terminal" ? "terminal" : "agent", title: sessionTitle(session), detail, run: open(key) }];
    });
    return [supervisor, ...others];
  }, [listed]);
}

interface Searching {
  /** Null while too little is asked for. */
  found: Search | null;
  older(): void;
}

function useSearch(wanted: string): Searching {
  const [found, setFound] = useState<Search | null>(null);
  const running = useRef<RunningSearch | null>(null);
  useEffect(() => {
    setFound(null);
    if (wanted.trim().length < SEARCH_FROM) return;
    const timer = setTimeout(() => (running.current = client.search(wanted, setFound)), PAUSE);
    return () => (clearTimeout(timer), running.current?.stop());
  }, [wanted]);
  return { found, older: () => running.current?.older() };
}

function messagesOf(search: Search | null): Command[] {
  return (search?.hits ?? []).map((hit, index) => ({
    id: `message ${index}`,
    group: "messages",
    icon: hit.role === "user" ? "send" : "agent",
    title: hit.excerpt,
    detail: chatName(hit.chat),
    run: () => (go({ name: "session", key: hit.chat }), void client.reveal(hit)),
  }));
}

function chatName(key: string): string {
  const { sessions, ended } = client.store.getState();
  const session = sessions.get(key) ?? ended.get(key);
  return key === SUPERVISOR || !session ? common.supervisor : sessionTitle(session);
}

/** All words anywhere in it, in any order; with none, a beginning of each group. */
function fitting(commands: Command[], wanted: string): Command[] {
  const words = comparable(wanted.trim());
  if (words) return commands.filter(({ title, detail = "" }) => fits(`${title} ${detail}`, words));
  return groupsOf(commands).flatMap(([, some]) => some.slice(0, SHOWN));
}

function groupsOf(commands: Command[]): [Command["group"], Command[]][] {
  const groups = new Map<Command["group"], Command[]>();
  for (const command of commands) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
  return [...groups];
}
