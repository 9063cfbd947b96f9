"""A socket without a role: it registers or connects within its deadline, or is closed."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tiflis.limits import Limits
from tiflis.protocol import head, messages
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import InternalError, SendFailed, TunnelError
from tiflis.protocol.head import Head
from tiflis.protocol.messages import Connection, Registration
from tiflis.protocol.states import Act, Role
from tiflis.relay.sessions.session import BaseSession, Pause, SessionState, Wire

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5  # between two looks for the home of a client's tunnel that cannot be found just now


class RoleAssigner(Protocol):
    """Who gives newcomers their roles. Both raise TunnelError, which leaves the newcomer as it is."""

    async def register(self, newcomer: "PendingSession", said: Registration) -> None: ...
    async def connect(self, newcomer: "PendingSession", said: Connection, request: bytes) -> None: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background, owned by the worker."""

    def later(self, delay: float, callback: Callable[[], None], /) -> object: ...


class PendingSession(BaseSession):
    """Waits for a role. While one is being looked up, the socket is not read."""

    __slots__ = (
        "_backlog",
        "_reception",
        "_said",
        "_unserved",
        "base_url",
        "gone",
        "leaving",
        "settled",
        "vouched",
    )
    role = Role.NEWCOMER

    def __init__(self, wire: Wire, limits: Limits, reception: RoleAssigner, base_url: str) -> None:
        """``base_url``: the WebSocket URL as this peer sees it, for a workstation's ``public_url``."""
        super().__init__(wire, limits)
        self._reception, self.base_url = reception, base_url
        self._backlog: list[bytes] | None = None
        self._said = b""
        self._unserved = b""  # the connect for which its tunnel's home could not be found
        self.gone = False  # the socket is lost, or another worker's
        self.leaving = False  # the socket is on its way to another worker, which may not take it
        self.vouched = False  # another worker has found the key right that it gives next
        self.settled = False  # it stays in this worker, wherever its tunnel is

    def received(self, text: bytes) -> None:
        if self._backlog is None:
            super().received(text)
        else:
            self._backlog.append(text)  # what a client pipelines behind its connect; bounded by one read

    def handle(self, what: Act, found: Head, text: bytes) -> None:
        request = head.echoable(found.id)
        if what is Act.REGISTER:
            registration = messages.read_registration(found.payload)
            self._decide(self._reception.register(self, registration), request, text)
        elif what is Act.CONNECT:
            connection = messages.read_connection(found.payload)
            self._decide(self._reception.connect(self, connection, request), request, text)
        else:
            super().handle(what, found, text)

    def refusal(self) -> str:
        return "Not authenticated: send workstation.register or connect first"

    def _decide(self, entering: Coroutine[Any, Any, None], request: bytes, text: bytes) -> None:
        self._backlog, self._said = [], text
        self.wire.pause(Pause.DECIDING)
        self._reception.spawn(self._enter(entering, request))

    async def _enter(self, entering: Coroutine[Any, Any, None], request: bytes) -> None:
        try:
            await entering
        except TunnelError as problem:
            log.debug("role refused", extra=self.named() | {"code": problem.code})
            self._refuse(problem, request)
        except Exception:  # outermost frame of the task: the peer hears of it, the log has the traceback
            log.exception("entering failed", extra=self.named())
            self.wire.send(messages.error(InternalError(), request))
        backlog, self._backlog = self._backlog or [], None
        self._said = b""
        if self.gone:
            return
        self.wire.resume(Pause.DECIDING)
        for text in backlog:
            self.wire.session.received(text)

    def _refuse(self, problem: TunnelError, request: bytes) -> None:
        """Shipped clients that hear "offline" wait for ``connected`` to come late: so go on looking."""
        told, said = self._unserved is self._said, self._said
        self._unserved = said if isinstance(problem, SendFailed) else b""
        if self._unserved:
            self._reception.later(RETRY_SECONDS, lambda: self._look_again(said))
        if not (self._unserved and told):
            self.wire.send(messages.error(problem, request))

    def _look_again(self, said: bytes) -> None:
        if self.leaving:
            self._reception.later(RETRY_SECONDS, lambda: self._look_again(said))
        elif not self.gone and self._backlog is None and self.wire.session is self and self._unserved is said:
            self.received(said)

    def vouch(self) -> bool:
        """Whether its key need not be looked at, this once."""
        vouched, self.vouched = self.vouched, False
        return vouched

    def lost(self) -> None:
        self.gone = True

    def session_state(self) -> SessionState | None:
        return self.onward() if self._backlog is None else None

    def onward(self) -> SessionState:
        """For another worker that decides anew, from the message that asked for a role."""
        said = self._said or self._unserved
        first = [said, *(self._backlog or [])] if said else []
        return SessionState("newcomer", self.wire.number, base_url=self.base_url, first=first)

    def check(self, now: float) -> None:
        if now - self.wire.opened >= self.limits.role_deadline:
            self.wire.close(CloseCode.POLICY_VIOLATION, "No role taken in time")
