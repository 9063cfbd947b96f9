/** Quick replies: buttons that say something, open something or start something. */

import { useState } from "react";
import { client, useClient } from "~/app/client";
import { useOnce } from "~/app/once";
import { go } from "~/app/route";
import type { ActionButton, ContentBlock } from "~/protocol/blocks";
import { inChat } from "~/store/outbox";
import { repliesOf } from "~/store/replies";
import { maySpeak } from "~/store/scope";
import { chatOf } from "~/store/sessions";
import { errorText } from "~/text/common";
import { chat as text } from "~/text/chat";
import { Confirm } from "~/ui/Dialog";
import { Icon } from "~/ui/icons";
import { withoutAnsi } from "../ansi";
import { useChatKey } from "../chatKey";
import { useMessage } from "../message";

const LOOKS: Record<ActionButton["style"], string> = {
  primary: "border-transparent bg-accent text-on-accent hover:bg-accent-strong",
  secondary: "border-line bg-surface hover:bg-hover",
  destructive: "border-danger text-danger hover:bg-danger-soft",
};

export function ButtonsPart({ data }: { data: ContentBlock }) {
  const chat = useChatKey();
  const { key, streaming } = useMessage();
  const offers = data.kind === "action_buttons" ? data.buttons.flatMap((button) => sayingOf(button) ?? []) : [];
  const speaks = useClient(maySpeak);
  const { kind, said } = useReplies(chat, key, offers);
  const [asking, setAsking] = useState<string | null>(null);
  const starting = useOnce(startTerminal);
  if (data.kind !== "action_buttons") return null;
  const press = (button: ActionButton) => {
    const words = sayingOf(button);
    if (button.action === TERMINAL) starting.run();
    else if (words === undefined) act(button.action);
    else if (kind === "stale") setAsking(words);
    else client.reply(chat, words);
  };
  return (
    <div>
      {data.content && <p dir="auto" className="mb-2">{withoutAnsi(data.content)}</p>}
      <div role="group" aria-label={text.buttons} className="flex flex-wrap gap-2">
        {data.buttons.map((button) => (
          <button
            key={button.id}
            type="button"
            disabled={
              sayingOf(button) === undefined
                ? (!speaks && !button.action.startsWith("url:")) || (button.action === TERMINAL && starting.busy)
                : streaming || kind === "settled" || !speaks
            }
            aria-pressed={kind === "settled" && sayingOf(button)?.trim() === said ? true : undefined}
            onClick={() => press(button)}
            className={`min-h-11 max-w-full rounded-full border px-4 text-sm font-medium shadow-low disabled:opacity-50 aria-pressed:opacity-100 ${LOOKS[button.style]}`}
          >
            {kind === "settled" && sayingOf(button)?.trim() === said && <Icon name="check" size={15} className="mr-1.5 inline" />}
            {button.icon && isSymbol(button.icon) && <span aria-hidden="true">{button.icon} </span>}
            <bdi>{withoutAnsi(button.title)}</bdi>
          </button>
        ))}
      </div>
      {asking !== null && (
        <Confirm
          title={text.staleTitle}
          text={text.staleText(asking)}
          action={text.send}
          look="primary"
          onConfirm={() => client.reply(chat, asking)}
          onClose={() => setAsking(null)}
        />
      )}
    </div>
  );
}

const sayingOf = ({ action }: ActionButton): string | undefined => (action.startsWith("send:") ? action.slice("send:".length) : undefined);

/** Settled when one of the offers was said, from whichever device; stale when the talk has gone on or long ago. */
function useReplies(chat: string, key: string, offers: string[]): { kind: string; said: string } {
  const told = useClient((state) => {
    const replies = repliesOf(chatOf(state, chat).messages, inChat(state.outbox, chat), key, offers, Date.now());
    return replies.kind === "settled" ? `settled ${replies.said}` : replies.kind;
  });
  const [kind = "", ...said] = told.split(" ");
  return { kind, said: said.join(" ") };
}

/** Icons are emoji here and names of another platform's symbols there; only the former can be shown. */
const isSymbol = (icon: string) => /^\P{ASCII}{1,8}$/u.test(icon);

function act(action: string): void {
  const [, kind, value = ""] = /^(\w+):(.*)$/s.exec(action) ?? [];
  if (kind === "url" && /^https?:\/\//i.test(value)) return void window.open(value, "_blank", "noopener,noreferrer");
  if (kind === "session") return go({ name: "new", kind: value });
  client.notice("error", text.buttonUnknown);
}

const TERMINAL = "session:terminal";

/** Shown when it is there, unless the reader has gone elsewhere meanwhile. */
async function startTerminal(): Promise<void> {
  const from = location.hash;
  try {
    const key = await client.createSession({ type: "terminal" });
    if (location.hash === from) go({ name: "session", key });
  } catch (error) {
    client.notice("error", errorText(error));
  }
}
