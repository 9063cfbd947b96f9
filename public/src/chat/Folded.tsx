/** A long text in part, and all of it when it is asked for. */

import { useMemo, type ReactNode } from "react";
import { chat as words } from "~/text/chat";
import { beginning } from "./beginning";
import { useFoundIn } from "./finding";
import { folded } from "./fold";
import { useRemembered } from "./remembered";

interface FoldedProps {
  text: string;
  /** Show its end rather than its beginning. */
  end?: boolean;
  children(part: string): ReactNode;
}

export function Folded({ text, end = false, children }: FoldedProps) {
  const [chosen, setAll] = useRemembered(`all of ${beginning(text)}`);
  const fold = useMemo(() => folded(text, end), [text, end]);
  const found = useFoundIn(() => (fold ? text : ""));
  const foundHere = useFoundIn(() => fold?.part ?? "");
  const all = chosen ?? (found && !foundHere);
  if (!fold) return children(text);
  const toggle = (
    <button type="button" aria-expanded={all} className="min-h-11 text-sm font-medium text-accent" onClick={() => setAll(!all)}>
      {all ? words.showLess : words.showAll(fold.lines)}
    </button>
  );
  return (
    <>
      {end && toggle}
      {all ? children(text) : <div className={end ? "fade-start" : "fade-end"}>{children(fold.part)}</div>}
      {!end && toggle}
    </>
  );
}
