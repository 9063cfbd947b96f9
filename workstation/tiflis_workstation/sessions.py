"""The open sessions of the pretended machine: agents with a chat, terminals with a shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tiflis_workstation import catalogue
from tiflis_workstation.catalogue import Opening
from tiflis_workstation.chat import Chat
from tiflis_workstation.history import History
from tiflis_workstation.stage import Stage
from tiflis_workstation.terminal import Terminal
from tiflis_workstation.wire import (
    INVALID_PAYLOAD,
    SESSION_NOT_FOUND,
    TERMINAL,
    Message,
    RequestRefused,
    present,
)

MOST_SESSIONS = 64


@dataclass(slots=True)
class Session:
    """Either `chat` or `terminal` is set."""

    session_id: str
    session_type: str
    working_dir: str
    created_at: str
    opening: Opening
    agent_alias: str | None = None
    chat: Chat | None = None
    terminal: Terminal | None = None

    @property
    def status(self) -> str:
        if self.chat is not None:
            return "busy" if self.chat.executing else "idle"
        return "active" if self.terminal is not None and self.terminal.alive else "idle"

    def describe(self) -> Message:
        return present(
            session_id=self.session_id,
            session_type=self.session_type,
            status=self.status,
            workspace=self.opening.workspace or None,
            project=self.opening.project or None,
            worktree=self.opening.worktree or None,
            working_dir=self.working_dir,
            agent_alias=self.agent_alias,
            created_at=self.created_at,
        )

    async def close(self) -> None:
        if self.chat is not None:
            await self.chat.close()
        if self.terminal is not None:
            await self.terminal.close()


class Sessions:
    """Opens, finds and closes sessions; `make_terminal` gives the terminal of a new terminal session."""

    def __init__(self, stage: Stage, make_terminal: Callable[[str], Terminal]) -> None:
        self._stage = stage
        self._make_terminal = make_terminal
        self._open: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._open.values()))

    def find(self, session_id: str) -> Session:
        if session_id not in self._open:
            raise RequestRefused(SESSION_NOT_FOUND, f"There is no session {session_id[:64]!r}.")
        return self._open[session_id]

    def chat(self, session_id: str) -> Chat:
        found = self.find(session_id).chat
        if found is None:
            raise RequestRefused(INVALID_PAYLOAD, "A terminal takes input, not messages.")
        return found

    def terminal(self, session_id: str) -> Terminal:
        found = self.find(session_id).terminal
        if found is None:
            raise RequestRefused(INVALID_PAYLOAD, "This session is not a terminal.")
        return found

    def open(self, opening: Opening) -> Session:
        """Refuses unknown agents and projects, and more than `MOST_SESSIONS`."""
        if len(self._open) >= MOST_SESSIONS:
            raise RequestRefused(INVALID_PAYLOAD, f"{MOST_SESSIONS} sessions are open. Terminate one first.")
        session = (
            self._new_terminal(opening) if opening.session_type == TERMINAL else self._new_agent(opening)
        )
        self._open[session.session_id] = session
        return session

    def remove(self, session_id: str) -> Session:
        """Take it off the list; the caller closes it."""
        session = self.find(session_id)
        del self._open[session_id]
        return session

    def _new_agent(self, opening: Opening) -> Session:
        agent = catalogue.find_agent(opening.session_type)
        if agent is None:
            raise RequestRefused(INVALID_PAYLOAD, f"There is no agent {opening.session_type[:64]!r}.")
        if opening.project not in catalogue.WORKSPACES.get(opening.workspace, {}):
            raise RequestRefused(INVALID_PAYLOAD, "There is no such workspace and project.")
        session = self._session(agent.base_type, opening)
        session.agent_alias = agent.name if agent.is_alias else None
        seeded = catalogue.seeded_history(session.session_id, opening.seeded, self._stage.now())
        session.chat = Chat(self._stage, History(seeded))
        return session

    def _new_terminal(self, opening: Opening) -> Session:
        session = self._session(TERMINAL, opening)
        session.terminal = self._make_terminal(session.session_id)
        return session

    def _session(self, session_type: str, opening: Opening) -> Session:
        folder = catalogue.working_dir(opening.workspace, opening.project, opening.worktree)
        return Session(self._stage.new_id(session_type), session_type, folder, self._stage.iso(), opening)
