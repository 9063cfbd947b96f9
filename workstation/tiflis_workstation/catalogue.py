"""The contents of the pretended machine: agents, workspaces, projects, and the sessions open at the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tiflis_workstation import texts
from tiflis_workstation.blocks import block
from tiflis_workstation.history import Entry
from tiflis_workstation.stage import iso
from tiflis_workstation.wire import TERMINAL, Message

WORKSPACES_ROOT = "/home/demo/work"
SEEDED_MESSAGES = 60  # three pages
SUPERVISOR_SEEDED_MESSAGES = 24  # two pages
SEED_SPACING_SECONDS = 420

WORKSPACES: dict[str, dict[str, str]] = {
    "tiflis": {"tunnel": "main", "website": "main", "notes": ""},
    "playground": {"snake-game": "master", "raytracer": "main"},
}
"""Workspace → project → default branch; no branch: not a git repository."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent by name. An alias runs as its base type."""

    name: str
    base_type: str
    description: str

    @property
    def is_alias(self) -> bool:
        return self.name != self.base_type


AGENTS = (
    Agent("claude", "claude", "Claude Code"),
    Agent("cursor", "cursor", "Cursor Agent"),
    Agent("opencode", "opencode", "OpenCode"),
    Agent("reviewer", "claude", "Claude with a reviewer's prompt"),
    Agent("backlog-agent", "backlog-agent", "Works through a list; a type that clients show generically"),
)
HIDDEN_BASE_TYPES = ("opencode", "backlog-agent")


@dataclass(frozen=True, slots=True)
class Opening:
    """A session that is open when the workstation starts."""

    session_type: str
    workspace: str = ""
    project: str = ""
    worktree: str = ""
    seeded: int = 0


OPENINGS = (
    Opening("claude", "tiflis", "tunnel", seeded=SEEDED_MESSAGES),
    Opening("reviewer", "tiflis", "tunnel", worktree="feature-frames", seeded=4),
    Opening("cursor", "playground", "snake-game", seeded=2),
    Opening("backlog-agent", "tiflis", "website"),
    Opening(TERMINAL),
)


def find_agent(name: str) -> Agent | None:
    return next((agent for agent in AGENTS if agent.name == name), None)


def available_agents() -> list[Message]:
    return [
        {
            "name": agent.name,
            "base_type": agent.base_type,
            "description": agent.description,
            "is_alias": agent.is_alias,
        }
        for agent in AGENTS
    ]


def workspaces() -> list[Message]:
    return [
        {"name": name, "projects": [_project(project, branch) for project, branch in projects.items()]}
        for name, projects in WORKSPACES.items()
    ]


def _project(name: str, branch: str) -> Message:
    made: Message = {"name": name, "is_git_repo": bool(branch)}
    return made | {"default_branch": branch} if branch else made


def working_dir(workspace: str, project: str, worktree: str) -> str:
    """Return the folder of a session; the root for a terminal without a project."""
    folder = f"{project}--{worktree}" if worktree else project
    return "/".join(part for part in (WORKSPACES_ROOT, workspace, folder) if part)


def seeded_history(label: str, count: int, now: float) -> Iterator[Entry]:
    """`count` older messages, question and answer in turn, the newest a while before `now`."""
    for number in range(1, count + 1):
        turn = (number - 1) // 2
        asked = number % 2 == 1
        text = (texts.QUESTIONS if asked else texts.ANSWERS)[turn % len(texts.QUESTIONS)]
        content = f"{text} (message {number} of {count})"
        message_id = f"{label}-seed-{number}"
        created = iso(now - (count - number + 1) * SEED_SPACING_SECONDS)
        blocks = [block(f"{message_id}-0", "text", content)]
        yield Entry(message_id, number, "user" if asked else "assistant", content, created, blocks)
