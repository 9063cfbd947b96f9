/** Commands that one would not type on a phone each time: chosen, they are sent; kept in this browser. */

import { useState, type SyntheticEvent } from "react";
import { client, useClient } from "~/app/client";
import { terminalText as text } from "~/text/terminal";
import { Button, IconButton } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { Switch, TextArea } from "~/ui/fields";
import { known, LENGTH_MOST, SNIPPETS_MOST, type Snippet } from "./snippets";

interface SnippetSheetProps {
  send(snippet: Snippet): void;
  close(): void;
}

export default function SnippetSheet({ send, close }: SnippetSheetProps) {
  const snippets = known(useClient((state) => state.settings.terminalSnippets));
  const keep = (next: Snippet[]) => client.set({ terminalSnippets: next });
  return (
    <Dialog title={text.snippets} onClose={close}>
      {snippets.length === 0 && <p className="mb-3 text-sm text-muted">{text.noSnippets}</p>}
      <ul className="mb-3">
        {snippets.map((snippet, at) => (
          <li key={`${at} ${snippet.text}`} className="flex items-center gap-1">
            <Button look="quiet" className="min-w-0 flex-1 justify-start px-2" onClick={() => (close(), send(snippet))}>
              <span dir="ltr" className="truncate font-mono text-sm">
                {snippet.text}
                {snippet.enter && <span className="text-muted"> ⏎</span>}
              </span>
            </Button>
            <IconButton icon="trash" size={17} label={text.deleteSnippet(snippet.text)} onClick={() => keep(snippets.filter((_, each) => each !== at))} />
          </li>
        ))}
      </ul>
      {snippets.length < SNIPPETS_MOST && <NewSnippet onAdd={(snippet) => keep([...snippets, snippet])} />}
    </Dialog>
  );
}

function NewSnippet({ onAdd }: { onAdd(snippet: Snippet): void }) {
  const [words, setWords] = useState("");
  const [enter, setEnter] = useState(true);
  const add = (event: SyntheticEvent) => {
    event.preventDefault();
    if (words.trim() === "") return;
    onAdd({ text: words, enter });
    setWords("");
  };
  return (
    <form onSubmit={add} className="border-t border-line pt-3">
      {/* Of several lines where they are: a field of one line would make one command of a pasted script. */}
      <TextArea
        label={text.newSnippet}
        value={words}
        rows={Math.min(6, words.split("\n").length)}
        maxLength={LENGTH_MOST}
        onChange={(event) => setWords(event.target.value)}
        onKeyDown={(event) => event.key === "Enter" && !event.shiftKey && add(event)}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        className="font-mono"
      />
      <Switch label={text.snippetEnter} checked={enter} onChange={setEnter} />
      <Button type="submit" look="primary" icon="plus" className="w-full">
        {text.addSnippet}
      </Button>
    </form>
  );
}
