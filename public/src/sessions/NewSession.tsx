/** Starting a session: what, and for an agent where. */

import { useEffect, useRef, useState, type FormEvent } from "react";
import { client, useClient } from "~/app/client";
import { go } from "~/app/route";
import { useUsable } from "~/app/usable";
import type { AgentInfo, WorkspaceInfo } from "~/protocol/messages";
import { mayType } from "~/store/scope";
import { errors, errorText } from "~/text/common";
import { sessions as text, typeName } from "~/text/sessions";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { Select, TextField } from "~/ui/fields";
import { Icon, Spinner } from "~/ui/icons";

const TERMINAL = "terminal";

interface NewSessionProps {
  /** What is offered first. */
  wanted?: string | undefined;
  onClose(): void;
}

export default function NewSession({ wanted, onClose }: NewSessionProps) {
  const agents = useClient((state) => state.agents);
  const hidden = useClient((state) => state.hiddenBaseTypes);
  const workspaces = useClient((state) => state.workspaces);
  const types = useClient(mayType);
  const shown = offered(agents, hidden);
  const [kind, setKind] = useState((shown.find((agent) => agent.name === wanted) ?? shown[0])?.name ?? TERMINAL);
  const [place, setPlace] = useState(() => firstPlace(workspaces));
  const [worktree, setWorktree] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  const closed = useRef(false);
  useEffect(() => {
    closed.current = false;
    return () => void (closed.current = true);
  }, []);
  const terminal = kind === TERMINAL;
  const usable = useUsable();
  const ready = usable && (terminal || (place.workspace !== "" && place.project !== ""));
  const create = async (event: FormEvent) => {
    event.preventDefault();
    if (busy || !ready) return;
    setBusy(true);
    setError("");
    try {
      const where = place.workspace && place.project ? { ...place, ...(worktree.trim() && !terminal && { worktree: worktree.trim() }) } : {};
      const key = await client.createSession({ type: kind, ...where });
      // Closed meanwhile: it stands in the list, and the reader is elsewhere.
      if (!closed.current) go({ name: "session", key }, true);
    } catch (failure) {
      setError(errorText(failure));
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={text.new}
      routed
      onClose={onClose}
      footer={
        <>
          {(error || !usable) && (
            <p role="alert" className={`min-w-0 flex-1 self-center text-sm ${error ? "text-danger" : "text-muted"}`}>
              {error || errors.offline}
            </p>
          )}
          <Button type="submit" form="new-session" look="primary" disabled={!ready || busy} className="shrink-0">
            {busy ? <Spinner /> : null}
            {busy ? text.creating : text.create}
          </Button>
        </>
      }
    >
      <form id="new-session" onSubmit={(event) => void create(event)} className="space-y-5">
        <fieldset className="min-w-0">
          <legend className="mb-1.5 text-sm font-medium">{text.kind}</legend>
          <div className="grid grid-cols-1 gap-2">
            {shown.map((agent) => (
              <Kind key={agent.name} agent={agent} checked={kind === agent.name} onPick={() => setKind(agent.name)} />
            ))}
            {types && !hidden.includes(TERMINAL) && (
              <Kind terminal agent={{ name: TERMINAL, baseType: TERMINAL, isAlias: false, description: text.terminalHint }} checked={terminal} onPick={() => setKind(TERMINAL)} />
            )}
          </div>
        </fieldset>
        <Place workspaces={workspaces} optional={terminal} place={place} onChange={setPlace} />
        {!terminal && place.project !== "" && isGit(workspaces, place) && (
          <TextField
            label={text.worktree}
            placeholder={text.worktreePlaceholder}
            value={worktree}
            autoCapitalize="off"
            spellCheck={false}
            onChange={(event) => setWorktree(event.target.value)}
          />
        )}
      </form>
    </Dialog>
  );
}

interface KindProps {
  agent: AgentInfo;
  terminal?: boolean;
  checked: boolean;
  onPick(): void;
}

function Kind({ agent, terminal = false, checked, onPick }: KindProps) {
  const detail = agent.description || (agent.isAlias ? text.aliasOf(typeName(agent.baseType)) : "");
  return (
    <label className="flex min-h-13 cursor-pointer items-center gap-3 rounded-xl border border-line px-3.5 py-2 hover:bg-hover has-checked:border-accent has-checked:bg-accent-soft has-focus-visible:outline-2 has-focus-visible:outline-accent">
      <input type="radio" name="kind" className="sr-only" checked={checked} onChange={onPick} />
      <Icon name={terminal ? "terminal" : "agent"} className={checked ? "text-accent" : "text-muted"} />
      <span className="min-w-0 flex-1">
        <span dir="auto" className="block truncate font-medium">{agent.isAlias ? agent.name : typeName(agent.name)}</span>
        {detail && <span dir="auto" className="block truncate text-[0.8125rem] text-muted">{detail}</span>}
      </span>
      {checked && <Icon name="check" size={18} className="text-accent" />}
    </label>
  );
}

interface Where {
  workspace: string;
  project: string;
}

interface PlaceProps {
  workspaces: WorkspaceInfo[];
  optional: boolean;
  place: Where;
  onChange(place: Where): void;
}

function Place({ workspaces, optional, place, onChange }: PlaceProps) {
  if (workspaces.length === 0) return optional ? null : <p className="text-sm text-muted">{text.noWorkspaces}</p>;
  const projects = workspaces.find((each) => each.name === place.workspace)?.projects ?? [];
  return (
    <div className="grid grid-cols-1 gap-4 sm:grid-cols-2">
      <Select
        label={text.workspace}
        value={place.workspace}
        onChange={(event) => onChange({ workspace: event.target.value, project: firstProject(workspaces, event.target.value) })}
      >
        {optional && <option value="">{text.anywhere}</option>}
        {workspaces.map((each) => (
          <option key={each.name}>{each.name}</option>
        ))}
      </Select>
      <Select label={text.project} value={place.project} disabled={projects.length === 0} onChange={(event) => onChange({ ...place, project: event.target.value })}>
        {projects.map((each) => (
          <option key={each.name}>{each.name}</option>
        ))}
      </Select>
    </div>
  );
}

/** Aliases always; a plain agent only while its type is not hidden. */
function offered(agents: AgentInfo[], hidden: string[]): AgentInfo[] {
  return agents.filter((agent) => agent.baseType !== TERMINAL && agent.baseType !== "supervisor" && (agent.isAlias || !hidden.includes(agent.baseType)));
}

function firstPlace(workspaces: WorkspaceInfo[]): Where {
  const workspace = (workspaces.find((each) => each.projects.length > 0) ?? workspaces[0])?.name ?? "";
  return { workspace, project: firstProject(workspaces, workspace) };
}

function firstProject(workspaces: WorkspaceInfo[], workspace: string): string {
  return workspaces.find((each) => each.name === workspace)?.projects[0]?.name ?? "";
}

function isGit(workspaces: WorkspaceInfo[], { workspace, project }: Where): boolean {
  return workspaces.find((each) => each.name === workspace)?.projects.find((each) => each.name === project)?.isGitRepo ?? false;
}
