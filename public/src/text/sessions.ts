/** Words of the list of sessions and of everything about a session. */

import { wordsBy } from "./common";
import { words } from "./words";

export const sessions = words("sessions", {
  title: "Sessions",
  supervisorHint: "One chat for everything",
  agents: "Agents",
  terminals: "Terminals",
  others: "Other",
  new: "New session",
  none: "No sessions yet",
  noneHint: "Ask the supervisor, or start an agent or a terminal yourself.",
  offlineHint: "The list comes with the connection.",
  unread: (count: number) => `${count} unread`,
  justNow: "now",
  yours: (words: string) => `You: ${words}`,
  hide: "Hide the list",
  show: "Show the list",
  width: "Width of the list",
  beside: "Show beside a conversation",
  closeBeside: "Close the terminal beside",
  pin: "Pin to the top",
  unpin: "Unpin",
  attention: { working: "working", "needs-you": "needs you", failed: "failed" },
  idle: "idle",
  active: "active",
  terminate: "End session",
  terminateTitle: "End this session?",
  terminateAgent: "The agent stops and the session closes on all devices. Files it changed stay as they are.",
  terminateTerminal: "The terminal closes on all devices, and programs that run in it are stopped.",
  ended: "This session has ended",
  endedHint: "It was closed here, on another device or on the workstation.",
  unsent: "What you had not sent",
  handOver: "Tell the supervisor instead",
  copyPath: "Copy path",
  filter: "Filter sessions",
  filterNone: "No session fits.",
  create: "Create",
  creating: "Starting …",
  kind: "What to start",
  workspace: "Workspace",
  project: "Project",
  worktree: "Worktree",
  worktreePlaceholder: "Optional, e.g. feature-login",
  noWorkspaces: "The workstation has no workspaces. An agent needs one; a terminal does not.",
  terminalHint: "A shell on the workstation",
  aliasOf: (type: string) => `alias of ${type}`,
  anywhere: "Home folder",
});

const TYPES = words("types", wordsBy({
  claude: "Claude",
  cursor: "Cursor",
  opencode: "OpenCode",
  terminal: "Terminal",
  supervisor: "Supervisor",
  agent: "Agent",
}));

export function typeName(type: string): string {
  return TYPES[type] ?? type.replace(/[_-]+/g, " ").replace(/^./, (letter) => letter.toUpperCase());
}
