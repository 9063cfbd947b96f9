/** Sessions, agents and workspaces from the wire. */

import { flag, list, moment, optionalText, record, text, type Fields } from "./fields";
import type { AgentInfo, SessionInfo, SessionStatus, SyncState, WorkspaceInfo } from "./messages";
import { readBlocks } from "./readBlocks";

/** `fields` may lie in a payload while the id lies at the top, or the other way round. */
export function readSession(fields: Fields, id = ""): SessionInfo {
  const session: SessionInfo = {
    id: text(fields.session_id) || id,
    type: text(fields.session_type) || "agent",
    status: readStatus(fields.status),
  };
  const workspace = optionalText(fields.workspace);
  const project = optionalText(fields.project);
  const worktree = optionalText(fields.worktree);
  const workingDir = optionalText(fields.working_dir);
  const agentAlias = optionalText(fields.agent_alias) ?? optionalText(fields.agent_name);
  if (workspace) session.workspace = workspace;
  if (project) session.project = project;
  if (worktree) session.worktree = worktree;
  if (workingDir) session.workingDir = workingDir;
  if (agentAlias) session.agentAlias = agentAlias;
  if (fields.created_at !== undefined) session.createdAt = moment(fields.created_at, 0);
  return session;
}

function readStatus(value: unknown): SessionStatus {
  return value === "busy" || value === "idle" ? value : "active";
}

export function readSync(payload: Fields): SyncState {
  return {
    sessions: list(payload.sessions).map((each) => readSession(record(each))).filter((session) => session.id),
    subscriptions: list(payload.subscriptions).map(text).filter(Boolean),
    supervisorIsExecuting: flag(payload.supervisorIsExecuting) ?? false,
    executing: readFlags(record(payload.executingStates)),
    supervisorStreaming: readBlocks(payload.currentStreamingBlocks),
    agents: list(payload.availableAgents).map((each) => readAgent(record(each))).filter((agent) => agent.name),
    workspaces: list(payload.workspaces).map((each) => readWorkspace(record(each))).filter((space) => space.name),
    hiddenBaseTypes: list(payload.hiddenBaseTypes).map(text).filter(Boolean),
  };
}

function readFlags(fields: Fields): ReadonlyMap<string, boolean> {
  return new Map(Object.entries(fields).map(([name, value]) => [name, value === true]));
}

function readAgent(fields: Fields): AgentInfo {
  const name = text(fields.name);
  const description = optionalText(fields.description);
  return {
    name,
    baseType: text(fields.base_type) || name,
    isAlias: fields.is_alias === true,
    ...(description !== undefined && { description }),
  };
}

function readWorkspace(fields: Fields): WorkspaceInfo {
  return {
    name: text(fields.name),
    projects: list(fields.projects)
      .map(record)
      .filter((project) => text(project.name))
      .map((project) => {
        const branch = optionalText(project.default_branch);
        return {
          name: text(project.name),
          isGitRepo: project.is_git_repo === true,
          ...(branch !== undefined && { defaultBranch: branch }),
        };
      }),
  };
}
