/** One message: whose it is, its parts, its time, and what became of it. */

import { useAuiState } from "@assistant-ui/store";
import { type ReactNode, useState } from "react";
import { client, useClient } from "~/app/client";
import { useCopy } from "~/app/clipboard";
import { markdownOf, plainText } from "~/store/match";
import { maySpeak } from "~/store/scope";
import type { Delivery } from "~/store/state";
import { common, errors, fullTimeOf, timeOf } from "~/text/common";
import { chat as text } from "~/text/chat";
import { Icon, Spinner, type IconName } from "~/ui/icons";
import { withoutAnsi } from "./ansi";
import { beginning } from "./beginning";
import { useChatKey, useSpeaker } from "./chatKey";
import { addToDraft } from "./drafting";
import { MessageContext } from "./message";
import { Parts } from "./parts";
import type { Row } from "./rows";

function useRow(): Row | undefined {
  return useAuiState((state) => state.message.metadata.custom.row) as Row | undefined;
}

function Day({ day }: { day: string | null }) {
  if (!day) return null;
  return (
    <div className="flex items-center gap-3 py-4 text-xs select-none font-medium text-muted" role="separator" aria-label={day}>
      <span className="h-px flex-1 bg-line" />
      {day}
      <span className="h-px flex-1 bg-line" />
    </div>
  );
}

function UserMessage() {
  const row = useRow();
  if (!row) return null;
  const { message, item, day, goesOn } = row;
  const failed = message.delivery === "failed";
  const quiet = goesOn && !message.foreign && (message.delivery === null || message.delivery === "received");
  return (
    <MessageContext value={message}>
      <div className="message flex flex-col">
        <Day day={day} />
        <article data-key={message.key} data-role="user" aria-label={text.you} tabIndex={-1} className={`group relative mt-2 ${quiet ? "mb-5" : "mb-3"} flex max-w-[88%] flex-col items-end self-end outline-none`}>
          <div
            className={`min-w-0 rounded-2xl rounded-br-md px-4 py-2.5 [overflow-wrap:anywhere] ${failed ? "bg-danger-soft" : "bg-accent-soft"} ${message.delivery && message.delivery !== "received" && !failed ? "opacity-80" : ""}`}
          >
            <Parts message={message} />
          </div>
          <div className={`flex min-h-6 select-none flex-wrap items-center justify-end gap-x-1.5 text-xs whitespace-nowrap text-muted ${quiet ? "message-tools absolute top-full right-0 z-10 w-max" : "mt-0.5"}`}>
            <OwnActions row={row} />
            {message.foreign && <span>{text.otherDevice} ·</span>}
            <time dateTime={new Date(message.at).toISOString()} title={fullTimeOf(message.at)}>
              {timeOf(message.at)}
            </time>
            {message.delivery && <DeliveryMark delivery={message.delivery} />}
          </div>
          {failed && item && <Failed id={item.id} error={item.error} />}
        </article>
      </div>
    </MessageContext>
  );
}

const MARKS: Record<Delivery, IconName> = { held: "clock", waiting: "clock", sending: "clock", unsure: "clock", received: "check", failed: "alert" };

function DeliveryMark({ delivery }: { delivery: Delivery }) {
  return (
    <span data-delivery={delivery} title={text.delivery[delivery]} className={`flex items-center gap-1 ${delivery === "failed" ? "text-danger" : ""}`}>
      {delivery === "sending" || delivery === "unsure" ? <Spinner size={13} /> : <Icon name={MARKS[delivery]} size={14} />}
      <span className={delivery === "received" ? "sr-only" : ""}>{text.delivery[delivery]}</span>
    </span>
  );
}

function Failed({ id, error }: { id: string; error: string | null }) {
  return (
    <div className="flex flex-wrap items-center justify-end gap-x-1">
      {error && <span className="px-1 text-xs text-muted"><bdi>{errors[error] ?? withoutAnsi(error)}</bdi></span>}
      <button type="button" className="min-h-11 rounded-lg px-3 text-sm font-medium text-danger hover:bg-hover" onClick={() => client.push(id)}>
        {text.tapRetry}
      </button>
      <button type="button" className="min-h-11 rounded-lg px-3 text-sm text-muted hover:bg-hover" onClick={() => client.discard(id)}>
        {text.discard}
      </button>
    </div>
  );
}

function AssistantMessage() {
  const row = useRow();
  const speaker = useSpeaker();
  // assistant-ui adds an empty message while it waits for an answer; `ThreadView` shows that better.
  if (!row) return null;
  const { message, day, goesOn } = row;
  return (
    <MessageContext value={message}>
      <div className="message flex flex-col">
        <Day day={day} />
        <article data-key={message.key} data-role="assistant" aria-label={speaker} tabIndex={-1} className={`group relative min-w-0 ${goesOn ? "pb-4" : "pb-3"} [overflow-wrap:anywhere] outline-none`} aria-busy={message.streaming}>
          <div className="space-y-2.5">
            <Parts message={message} />
          </div>
          {message.streaming ? (
            <div className="mt-2 flex items-center gap-1" aria-hidden="true">
              <span className="animate-dot size-2 rounded-full bg-accent" />
            </div>
          ) : (
            <div className={`flex min-h-6 select-none items-center gap-1.5 text-xs text-muted ${goesOn ? "message-tools absolute -bottom-2 left-0 z-10" : "mt-0.5"}`}>
              <time dateTime={new Date(message.at).toISOString()} title={fullTimeOf(message.at)}>
                {timeOf(message.at)}
              </time>
              <CopyButton blocksOf={row} />
            </div>
          )}
        </article>
      </div>
    </MessageContext>
  );
}

function CopyButton({ blocksOf }: { blocksOf: Row }) {
  const { done, copy } = useCopy();
  const { blocks } = blocksOf.message;
  const words = markdownOf(blocks);
  if (words === "") return null;
  const label = done ? common.copied : text.copyMessage(beginning(withoutAnsi(plainText(blocks) || words)));
  return (
    <SmallButton icon={done ? "check" : "copy"} label={label} onClick={() => copy(withoutAnsi(words))}>
      {done && common.copied}
    </SmallButton>
  );
}

/** Milliseconds in which a second press is the same wish. */
const SETTLES = 2_000;

/** What can be done with words of one's own: say them again as they are or changed, copy them. */
function OwnActions({ row }: { row: Row }) {
  const chat = useChatKey();
  const ended = useClient((state) => state.ended.has(chat) || !maySpeak(state));
  const [again, setAgain] = useState(false);
  const words = markdownOf(row.message.blocks);
  const name = beginning(words);
  const said = words !== "" && row.item?.text !== "" && row.message.delivery !== "sending" && row.message.delivery !== "unsure";
  const edit = () => addToDraft(chat, row.item ? client.recall(row.item.id) : words);
  const sendAgain = () => {
    setAgain(true);
    setTimeout(() => setAgain(false), SETTLES);
    client.send(chat, words);
  };
  return (
    <span className="message-tools flex gap-5 px-3">
      {said && !ended && <SmallButton icon="pencil" label={text.editAgain(name)} onClick={edit} />}
      {said && !ended && !row.item && <SmallButton icon="refresh" label={text.sendAgain(name)} disabled={again} onClick={sendAgain} />}
      <CopyButton blocksOf={row} />
    </span>
  );
}

interface SmallButtonProps {
  icon: IconName;
  label: string;
  disabled?: boolean;
  onClick(): void;
  children?: ReactNode;
}

/** Small to look at, 44 px to touch. */
function SmallButton({ icon, label, disabled, onClick, children }: SmallButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={onClick}
      className="relative flex h-6 min-w-6 items-center gap-1 justify-center rounded-md text-muted opacity-70 before:absolute before:-inset-2.5 hover:bg-hover hover:text-text group-hover:opacity-100 focus-visible:opacity-100 disabled:opacity-30"
    >
      <Icon name={icon} size={14} />
      {children}
    </button>
  );
}

export const MESSAGES = { UserMessage, AssistantMessage, SystemMessage: AssistantMessage };
