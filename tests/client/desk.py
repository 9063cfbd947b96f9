"""The demo workstation as a test holds it: it can go away, come back, and say what it got."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Self

from tiflis_workstation.accumulator import GRACE_SECONDS
from tiflis_workstation.catalogue import Opening
from tiflis_workstation.history import Entry
from tiflis_workstation.pairing import Pairing
from tiflis_workstation.terminal import Terminal
from tiflis_workstation.workstation import DemoWorkstation, Listeners, Options

from tests.client.loop import LoopThread
from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server, wait_until

Message = dict[str, Any]


class Desk:
    """`speed` divides the waiting times of the agents; `math.inf` leaves none.

    It answers as the shipped workstation does, unless told otherwise.
    """

    def __init__(
        self,
        loop: LoopThread,
        server: Server,
        *,
        speed: float = math.inf,
        name: str = "Demo",
        auth_key: str = AUTH_KEY,
        shell: bool = False,
        as_shipped: bool = True,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._loop = loop
        self._server = server
        self._options = Options(speed=speed, shell=shell, as_shipped=as_shipped, grace=grace)
        self._name = name
        self._auth_key = auth_key
        self._tunnel_id = ""
        self._demo: DemoWorkstation | None = None
        self._lock = threading.Lock()
        self._seen: list[Message] = []

    def __enter__(self) -> Self:
        self.arrive()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    @property
    def demo(self) -> DemoWorkstation:
        assert self._demo is not None, "the workstation is away"
        return self._demo

    @property
    def pairing(self) -> Pairing:
        return Pairing(self._tunnel_id, self._server.ws_url, self._auth_key)

    def arrive(self) -> None:
        """A workstation with fresh sessions and an empty memory, on the tunnel it had before."""
        made = self._loop.call(self._make)
        self._loop.run(made.start())
        self._tunnel_id = made.tunnel_id
        self._demo = made

    def leave(self) -> None:
        if self._demo is not None:
            self._loop.run(self._demo.stop())
            self._demo = None

    def got(self, type: str) -> list[Message]:
        """The messages of this type that reached the workstation."""
        with self._lock:
            return [message for message in self._seen if message.get("type") == type]

    def until_got(self, type: str, where: Callable[[Message], bool] = lambda _: True) -> Message:
        def found() -> list[Message]:
            return [message for message in self.got(type) if where(message)]

        wait_until(found, 10, f"the workstation gets {type}")
        return found()[0]

    def forget_what_it_got(self) -> None:
        with self._lock:
            self._seen.clear()

    def tell_all(self, message: Message) -> None:
        """Send something of the test's own making to every device."""
        self._loop.call(lambda: self.demo.desk.broadcast(message))

    def has_said(self, session_id: str, texts: list[str]) -> None:
        """Let the history of a session be these messages, question and answer in turn."""
        entries = [
            Entry(f"past-{at}", at + 1, "assistant" if at % 2 else "user", text, "2026-01-01T00:00:00.000Z")
            for at, text in enumerate(texts)
        ]

        def replace() -> None:
            history = self.demo.desk.sessions.chat(session_id).history
            history.clear()
            for entry in entries:
                history.add(entry)

        self._loop.call(replace)

    def open_agent(self, project: str, working_dir: str = "/home/dev/work", alias: str | None = None) -> str:
        """Open a session with names that the demo has not, and return its id."""

        def add() -> str:
            session = self.demo.desk.sessions.open(Opening("claude", "tiflis", "tunnel"))
            session.opening = Opening("claude", "tiflis", project)
            session.working_dir, session.agent_alias = working_dir, alias
            return session.session_id

        return self._loop.call(add)

    def work_at(self, speed: float) -> None:
        """Let the agents go on at this speed."""

        def change() -> None:
            self.demo.desk.stage.speed = speed

        self._loop.call(change)

    def print(self, text: str) -> None:
        """Let the program in the terminal write this."""
        terminal = self._terminal()
        self._loop.call(lambda: terminal._emit(text))

    def terminal_size(self) -> tuple[int, int]:
        """Columns and rows as the workstation has them."""
        terminal = self._terminal()
        return terminal.columns, terminal.rows

    def _terminal(self) -> Terminal:
        return self.demo.desk.sessions.terminal(self.session("terminal"))

    def session(self, session_type: str) -> str:
        """The id of the first open session of this type."""
        sessions = self._loop.call(lambda: [(s.session_type, s.session_id) for s in self.demo.desk.sessions])
        return next(session_id for kind, session_id in sessions if kind == session_type)

    def end(self, session_type: str) -> None:
        """Terminate the first open session of this type, as another device does."""
        session_id = self.session(session_type)
        self._loop.call(lambda: self.demo.desk.terminate(session_id))

    def _make(self) -> DemoWorkstation:
        return DemoWorkstation(
            self._server.ws_url,
            REGISTRATION_KEY,
            self._auth_key,
            self._name,
            tunnel_id=self._tunnel_id,
            options=self._options,
            listeners=Listeners(message=self._remember),
        )

    def _remember(self, message: Message) -> None:
        with self._lock:
            self._seen.append(message)
