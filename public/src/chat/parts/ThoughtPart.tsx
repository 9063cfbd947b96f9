/** What the agent thought, folded away. */

import { useClient } from "~/app/client";
import { chat as words } from "~/text/chat";
import { Icon } from "~/ui/icons";
import { withoutAnsi } from "../ansi";
import { beginning } from "../beginning";
import { Disclosure } from "./Disclosure";
import type { PartProps } from "./index";

export function ThoughtPart({ data: { content }, running }: PartProps) {
  const text = withoutAnsi(content);
  const shown = useClient((state) => state.settings.showThinking);
  if (!shown || !text) return null;
  return (
    <Disclosure
      name={`thought ${beginning(text)}`}
      text={() => text}
      summary={
        <>
          <Icon name="thought" size={16} className={running ? "animate-dot text-accent" : "text-muted"} />
          <span className="min-w-0 flex-1 truncate text-muted">
            <span className="font-medium text-text">{running ? words.thinking : words.thought}</span> <bdi>{firstLine(text)}</bdi>
          </span>
        </>
      }
    >
      {() => <p dir="auto" className="text-sm whitespace-pre-wrap text-muted">{text}</p>}
    </Disclosure>
  );
}

const firstLine = (text: string) => text.slice(0, 160).split("\n").find((line) => line.trim() !== "") ?? "";
