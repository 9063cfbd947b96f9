"""Sockets and their sessions: what the relay needs of a socket, and what the sessions of all roles share."""

import logging
from enum import IntFlag
from typing import ClassVar, Protocol

import msgspec

from tiflis.limits import Limits
from tiflis.protocol import head, messages
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import InternalError, InvalidPayload, TunnelError
from tiflis.protocol.head import Head, peek
from tiflis.protocol.messages import Connection
from tiflis.protocol.states import RULES, Act, Role
from tiflis.relay.pinned import NO_TUNNEL

log = logging.getLogger(__name__)

Place = tuple[str, int]  # a worker's id, and a socket's number in that worker


class SessionState(msgspec.Struct, omit_defaults=True):
    """One socket's role and all that its session knows. Keys are among it: it travels only between our
    own workers, over a private Unix socket."""

    role: str  # newcomer, client, workstation or orphan
    number: int  # of the socket in the worker that it leaves
    tunnel_id: str = ""
    auth_key: str = ""
    device_id: str = ""
    reconnect: bool = False
    connected: bool = False
    told_offline: bool = False
    base_url: str = ""
    first: list[bytes] = []  # a newcomer's messages that have been read but not acted upon

    @property
    def connection(self) -> Connection:
        return Connection(self.tunnel_id, self.auth_key, self.device_id, self.reconnect)


class Pause(IntFlag):
    """Why a socket is not being read; it is read again when no reason is left."""

    DECIDING = 1  # its role is being looked up
    PRESSURE = 2  # the receiver of its messages is slow
    PONGS = 4  # it does not take the answers to its pings
    GATHERING = 8  # the tunnel has moved; its clients are still on their way to the new home
    HANDOVER = 16  # the socket is leaving this process
    ROOM = 32  # its large message waits for room in the worker's memory
    OVERDRAWN = 64  # its tunnel pins more memory than its share


class Wire(Protocol):
    """One peer's WebSocket. Texts are UTF-8 bytes of one whole message."""

    number: int  # unique within this worker
    connection_id: str  # unique everywhere, for the log
    address: str  # of the client, as far as proxies are trusted
    heard: float  # loop time at which anything last came
    opened: float  # loop time of the upgrade
    session: "Session"

    def send(self, text: bytes) -> None: ...
    def send_pong(self, text: bytes) -> None:
        """Like send, but not behind a big message that waits."""

    def close(self, code: int, reason: str = "") -> None: ...
    def cut_off(self, code: int, reason: str) -> None:
        """Like close, but what is unsent is dropped."""

    def too_slow(self, now: float) -> bool:
        """Whether the peer has taken nothing for too long."""

    def probe(self) -> None:
        """Send a protocol ping; whatever comes back renews ``heard``."""

    def pause(self, why: Pause) -> None: ...
    def resume(self, why: Pause) -> None: ...
    def widen(self) -> None:
        """The peer has a role: allow messages of full size."""

    def narrow(self) -> None:
        """The peer has no role (any more): allow small messages only."""


class Session(Protocol):
    """What a socket's messages mean; it is exchanged when the socket takes a role."""

    wire: Wire
    kind: ClassVar[str]  # one of ``metrics.ROLES``
    tunnel_id: str  # NO_TUNNEL before the socket has a role

    @property
    def path(self) -> str:
        """How what comes from the socket reaches its receivers: one of ``metrics.PATHS``."""

    def session_state(self) -> SessionState | None:
        """What another process has to know to go on; None while that is just being decided."""

    def received(self, text: bytes) -> None: ...
    def lost(self) -> None:
        """The socket is gone, or on its way out: nothing gets through any more. Called once."""

    def high_water(self, high: bool) -> None:
        """The socket's unsent output has risen above, or fallen below, its mark."""

    def overfull(self, high: bool) -> None:
        """More output waits than may wait for long, or less again: have senders wait if that can be."""

    def overflowed(self) -> None:
        """Too much output has waited for too long."""

    def named(self) -> dict[str, str]:
        """What a log line says of this session."""

    def check(self, now: float) -> None:
        """A regular look: close or probe the socket if it has been silent for too long."""


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
