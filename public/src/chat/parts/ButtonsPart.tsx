/** Quick replies: buttons that say something, open something or start something. */

import { useAuiState } from "@assistant-ui/react";
import { client } from "~/app/client";
import { go } from "~/app/route";
import type { ActionButton, ContentBlock } from "~/protocol/blocks";
import { errorText } from "~/text/common";
import { chat as text } from "~/text/chat";
import { useChatKey } from "../chatKey";

const LOOKS: Record<ActionButton["style"], string> = {
  primary: "border-transparent bg-accent text-on-accent hover:bg-accent-strong",
  secondary: "border-line bg-surface hover:bg-hover",
  destructive: "border-danger text-danger hover:bg-danger-soft",
};

export function ButtonsPart({ data }: { data: ContentBlock }) {
  const chat = useChatKey();
  const streaming = useAuiState((state) => state.message.status?.type === "running");
  if (data.kind !== "action_buttons") return null;
  return (
    <div>
      {data.content && <p className="mb-2">{data.content}</p>}
      <div role="group" aria-label={text.buttons} className="flex flex-wrap gap-2">
        {data.buttons.map((button) => (
          <button
            key={button.id}
            type="button"
            disabled={streaming && button.action.startsWith("send:")}
            onClick={() => act(button.action, chat)}
            className={`min-h-11 max-w-full rounded-full border px-4 text-sm font-medium shadow-low disabled:opacity-50 ${LOOKS[button.style]}`}
          >
            {button.icon && isSymbol(button.icon) && <span aria-hidden="true">{button.icon} </span>}
            {button.title}
          </button>
        ))}
      </div>
    </div>
  );
}

/** Icons are emoji here and names of another platform's symbols there; only the former can be shown. */
const isSymbol = (icon: string) => /^\P{ASCII}{1,8}$/u.test(icon);

function act(action: string, chat: string): void {
  const [, kind, value = ""] = /^(\w+):(.*)$/s.exec(action) ?? [];
  if (kind === "send") return client.send(chat, value);
  if (kind === "url" && /^https?:\/\//i.test(value)) return void window.open(value, "_blank", "noopener,noreferrer");
  if (kind === "session" && value === "terminal") return void startTerminal();
  if (kind === "session") return go({ name: "new", kind: value });
  client.notice("error", text.buttonUnknown);
}

async function startTerminal(): Promise<void> {
  try {
    go({ name: "session", key: await client.createSession({ type: "terminal" }) });
  } catch (error) {
    client.notice("error", errorText(error));
  }
}
