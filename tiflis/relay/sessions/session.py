"""What the sessions of all roles share: a socket, and how it is answered."""

import logging
from typing import ClassVar

from tiflis.limits import Limits
from tiflis.protocol import head, messages
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import InternalError, InvalidPayload, TunnelError
from tiflis.protocol.head import Head, peek
from tiflis.protocol.states import RULES, Act, Role
from tiflis.relay.pinned import NO_TUNNEL
from tiflis.relay.session_state import SessionState
from tiflis.relay.wire import Wire

log = logging.getLogger(__name__)


class BaseSession:
    """A socket in a role: reads each message's head once and hands it to the act that its type asks for."""

    __slots__ = ("_act", "_known", "limits", "wire")
    role: ClassVar[Role]
    kind: ClassVar[str] = "none"  # as the metrics name the role
    tunnel_id: str = NO_TUNNEL

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self.wire, self.limits = wire, limits
        rules = RULES[self.role]
        self._known, self._act = rules.known, rules.act

    def received(self, text: bytes) -> None:
        """Text that is no message, or may not be sent in this role, is answered with an error."""
        found = None
        try:
            found = peek(text)
            kind = found.type
            self.handle(self._known.get(kind) or self._act(kind), found, text)
        except TunnelError as problem:
            self._fail(problem, found)
        except Exception:  # outermost frame of a message: the peer hears of it, the log has the traceback
            log.exception("message failed", extra=self.named())
            self._fail(InternalError(), found)

    def _fail(self, problem: TunnelError, found: Head | None) -> None:
        self.wire.send(messages.error(problem, problem.request if found is None else head.echoable(found.id)))

    def handle(self, what: Act, found: Head, text: bytes) -> None:
        """Do what is asked; raises TunnelError for the peer."""
        if what is Act.PONG:
            if head.is_number(found.timestamp):
                self.wire.send_pong(messages.pong(found.timestamp))
        else:
            raise InvalidPayload(self.refusal(), {"type": "not allowed here"})

    @property
    def path(self) -> str:
        return "local"

    def refusal(self) -> str:
        return "This type of message may not be sent here"

    def session_state(self) -> SessionState | None:
        """What another process has to know to go on; None while that is just being decided."""
        return None

    def named(self) -> dict[str, str]:
        """What a log line says of this session."""
        return {"connection": self.wire.connection_id}

    def lost(self) -> None:
        """Nothing else depends on this socket."""

    def high_water(self, high: bool) -> None:
        """Nobody else's messages go to this socket."""

    def overfull(self, high: bool) -> None:
        """Nobody else's messages go to this socket."""

    def overflowed(self) -> None:
        """Nobody else's messages go to this socket."""

    def check(self, now: float) -> None:
        if now - self.wire.heard >= self.limits.liveness_timeout:
            self.wire.close(CloseCode.NORMAL, "Connection timed out")

    def probed(self, now: float) -> None:
        """Instead of ``check`` where the peer has no reason to speak: ask it with protocol pings."""
        silent = now - self.wire.heard
        if silent >= self.limits.probe_interval + self.limits.probe_timeout:
            self.wire.close(CloseCode.NORMAL, "Connection timed out")
        elif silent >= self.limits.probe_interval - self.limits.liveness_interval:
            self.wire.probe()
