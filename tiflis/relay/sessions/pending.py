"""The session of a socket without a role: it registers or connects by its deadline, or is closed."""

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

RETRY_SECONDS = 0.5  # between two attempts to find the home of a client's tunnel


class RoleAssigner(Protocol):
    """Gives pending sessions their roles; a TunnelError that it raises leaves the session pending."""

    async def register(self, pending: "PendingSession", said: Registration) -> None: ...
    def connect(
        self, pending: "PendingSession", said: Connection, request: bytes
    ) -> Coroutine[Any, Any, None] | None:
        """Connect a client. Return the work that is left where something has to be waited for."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task that the worker owns."""

    def later(self, delay: float, callback: Callable[[], None], /) -> object: ...


class PendingSession(BaseSession):
    """Waits for a role. While the assigner decides, the socket is not read."""

    __slots__ = (
        "_assigner",
        "_backlog",
        "_request",
        "_unserved",
        "base_url",
        "gone",
        "leaving",
        "settled",
        "vouched",
    )
    role = Role.PENDING

    def __init__(self, wire: Wire, limits: Limits, assigner: RoleAssigner, base_url: str) -> None:
        """``base_url``: the WebSocket URL as this peer sees it, for a workstation's ``public_url``."""
        super().__init__(wire, limits)
        self._assigner, self.base_url = assigner, base_url
        self._backlog: list[bytes] | None = None
        self._request = b""
        self._unserved = b""  # the ``connect`` for which the tunnel's home could not be found
        self.gone = False  # the socket is closed, or another worker's
        self.leaving = False  # the socket is on its way to another worker, which may not take it
        self.vouched = False  # another worker has checked the key of its next message
        self.settled = False  # it stays in this worker, wherever its tunnel's home is

    def received(self, text: bytes) -> None:
        if self._backlog is None:
            super().received(text)
        else:
            self._backlog.append(text)  # a client pipelined it behind its ``connect``; bounded by one read

    def handle(self, act: Act, found: Head, text: bytes) -> None:
        request = head.echoable(found.id)
        if act is Act.REGISTER:
            registration = messages.read_registration(found.payload)
            self._decide(self._assigner.register(self, registration), request, text)
        elif act is Act.CONNECT:
            connection = messages.read_connection(found.payload)
            left = self._assigner.connect(self, connection, request)
            if left is not None:
                self._decide(left, request, text)
        else:
            super().handle(act, found, text)

    def _fail(self, problem: TunnelError, found: Head | None) -> None:
        log.debug("role refused", extra=self.named() | {"code": problem.code})
        super()._fail(problem, found)

    def refusal(self) -> str:
        return "Not authenticated: send workstation.register or connect first"

    def _decide(self, entering: Coroutine[Any, Any, None], request: bytes, text: bytes) -> None:
        self._backlog, self._request = [], text
        self.wire.pause(Pause.DECIDING)
        self._assigner.spawn(self._enter(entering, request))

    async def _enter(self, entering: Coroutine[Any, Any, None], request: bytes) -> None:
        try:
            await entering
        except TunnelError as problem:
            log.debug("role refused", extra=self.named() | {"code": problem.code})
            self._refuse(problem, request)
        except Exception:  # outermost frame of the task: the peer gets an error, the log the traceback
            log.exception("entering failed", extra=self.named())
            self.wire.send(messages.error(InternalError(), request))
        backlog, self._backlog = self._backlog or [], None
        self._request = b""
        if self.gone:
            return
        self.wire.resume(Pause.DECIDING)
        for text in backlog:
            self.wire.session.received(text)

    def _refuse(self, problem: TunnelError, request: bytes) -> None:
        """Answer with the error, once; after SendFailed retry, as shipped clients wait for ``connected``."""
        answered, text = self._unserved is self._request, self._request
        self._unserved = text if isinstance(problem, SendFailed) else b""
        if self._unserved:
            self._assigner.later(RETRY_SECONDS, lambda: self._retry(text))
        if not (self._unserved and answered):
            self.wire.send(messages.error(problem, request))

    def _retry(self, text: bytes) -> None:
        if self.leaving:
            self._assigner.later(RETRY_SECONDS, lambda: self._retry(text))
        elif not self.gone and self._backlog is None and self.wire.session is self and self._unserved is text:
            self.received(text)

    def vouch(self) -> bool:
        """Return whether the key of this message has been checked elsewhere; true for one message only."""
        vouched, self.vouched = self.vouched, False
        return vouched

    def lost(self) -> None:
        self.gone = True

    def session_state(self) -> SessionState | None:
        return self.onward() if self._backlog is None else None

    def onward(self) -> SessionState:
        """Return the state for another worker, which decides anew from the message that asked for a role."""
        request = self._request or self._unserved
        first = [request, *(self._backlog or [])] if request else []
        return SessionState("newcomer", self.wire.number, base_url=self.base_url, first=first)

    def check(self, now: float) -> None:
        if now - self.wire.opened >= self.limits.role_deadline:
            self.wire.close(CloseCode.POLICY_VIOLATION, "No role taken in time")
