"""Sockets and their sessions: what the relay needs of a socket, and what the sessions of all roles share."""

import logging
from collections.abc import Callable
from enum import IntFlag
from typing import ClassVar, Protocol

import msgspec

from tiflis.limits import Limits
from tiflis.protocol import head, messages
from tiflis.protocol.close import CloseCode
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import InternalError, InvalidPayload, TunnelError
from tiflis.protocol.head import Head, peek
from tiflis.protocol.long_text import EscapedText
from tiflis.protocol.messages import Connection
from tiflis.protocol.scan import LARGE
from tiflis.protocol.skim import Skim
from tiflis.protocol.spliced import SplicedText
from tiflis.protocol.states import RULES, Act, Role
from tiflis.relay.pinned import NO_TUNNEL

log = logging.getLogger(__name__)

Place = tuple[str, int]  # a worker's id, and a socket's number in that worker


class SessionState(msgspec.Struct, omit_defaults=True):
    """A socket's role and its session's state. It contains keys, so it travels only between our own workers,
    over a private Unix socket."""

    role: str  # newcomer (pending), client, workstation or orphan (superseded)
    number: int  # of the socket in the worker that it leaves
    tunnel_id: str = ""
    auth_key: str = ""
    device_id: str = ""
    reconnect: bool = False
    connected: bool = False
    told_offline: bool = False
    base_url: str = ""
    cursor: Cursor | None = None
    marked: bool = False
    first: list[bytes] = []  # a pending session's messages that have been read but not acted upon

    @property
    def connection(self) -> Connection:
        return Connection(self.tunnel_id, self.auth_key, self.device_id, self.reconnect, self.cursor)


class Pause(IntFlag):
    """Why a socket is not being read; it is read again when no reason is left."""

    DECIDING = 1  # its role is being looked up
    PRESSURE = 2  # the receiver of its messages is slow
    PONGS = 4  # the peer does not take the answers to its pings
    GATHERING = 8  # the tunnel has moved; its clients are still on their way to the new home
    HANDOVER = 16  # the socket is leaving this process
    ROOM = 32  # its large message waits for room in the worker's memory
    OVERDRAWN = 64  # its tunnel pins more memory than its share


class Reading(Protocol):
    """Large messages of one peer, which are read as they arrive. ``skims``: their form is read too."""

    skims: bool

    def head(self, message: bytes, /) -> Head:
        """Return the head of a message that has just come. Raise InvalidPayload."""

    def form(self, message: bytes, /) -> Skim | None:
        """Return what was skimmed of a large message that has just come; None if it was not."""


class Wire(Protocol):
    """One peer's WebSocket. Texts are UTF-8 bytes of one whole message."""

    number: int  # unique within this worker
    connection_id: str  # unique everywhere, for the log
    address: str  # of the client, as far as proxies are trusted
    heard: float  # loop time at which anything last came from the peer
    opened: float  # loop time of the upgrade
    session: "Session"

    @property
    def high_water(self) -> bool:
        """Return whether much waits to be sent."""

    @property
    def reading(self) -> Reading:
        """Return what has been read of the peer's large messages while they arrived."""

    def send(self, text: bytes) -> None: ...
    def send_large(self, text: EscapedText | SplicedText) -> None:
        """Send a long text, which is unescaped or spliced as it leaves."""

    def send_pong(self, text: bytes) -> None:
        """Send, but not behind a big message that waits."""

    def close(self, code: int, reason: str = "") -> None: ...
    def cut_off(self, code: int, reason: str) -> None:
        """Close, and drop what is unsent."""

    def too_slow(self, now: float) -> bool:
        """Return whether the peer has taken nothing for too long."""

    def probe(self) -> None:
        """Send a protocol ping; any answer renews ``heard``."""

    def pause(self, why: Pause) -> None: ...
    def resume(self, why: Pause) -> None: ...
    def raise_message_limit(self) -> None:
        """Allow messages of full size: the peer has a role."""

    def lower_message_limit(self) -> None:
        """Allow small messages only: the peer has no role."""


class Session(Protocol):
    """Acts on a socket's messages; the session is exchanged when the socket takes a role."""

    wire: Wire
    kind: ClassVar[str]  # one of ``metrics.ROLES``
    tunnel_id: str  # NO_TUNNEL before the socket has a role

    @property
    def plain_pings(self) -> bool:
        """Return whether a ping needs its pong and nothing else, so that the socket may answer it."""

    @property
    def path(self) -> str:
        """How the socket's messages reach their receivers: one of ``metrics.PATHS``."""

    def session_state(self) -> SessionState | None:
        """Return the state for another process to go on with; None while a role is being decided."""

    def received(self, text: bytes) -> None: ...
    def lost(self) -> None:
        """Detach: the socket is closed or closing, and nothing can be sent. Called once."""

    def high_water(self, high: bool) -> None:
        """Record whether the socket's unsent output is above its high-water mark."""

    def overfull(self, high: bool) -> None:
        """Record whether more output waits than may wait for long: pause the senders if possible."""

    def overflowed(self) -> None:
        """Act on too much output that has waited for too long."""

    def named(self) -> dict[str, str]:
        """Return the fields that name this session in a log line."""

    def check(self, now: float) -> None:
        """Close or probe the socket if it has been silent for too long; called regularly."""


class BaseSession:
    """A socket in a role: reads each message's head once and runs the act that belongs to its type."""

    __slots__ = ("_act", "_known", "limits", "wire")
    role: ClassVar[Role]
    kind: ClassVar[str] = "none"  # as the metrics name the role
    plain_pings = False
    tunnel_id: str = NO_TUNNEL

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self.wire, self.limits = wire, limits
        rules = RULES[self.role]
        self._known = rules.known
        self._act: Callable[[str], Act] = rules.act

    def received(self, text: bytes) -> None:
        """Handle a message; answer with an error if it is malformed or not allowed in this role."""
        found = None
        try:
            found = peek(text) if len(text) <= LARGE else self.wire.reading.head(text)
            kind = found.type
            self.handle(self._known.get(kind) or self._act(kind), found, text)
        except TunnelError as problem:
            self._fail(problem, found)
        except Exception:  # outermost frame of a message: the peer gets an error, the log the traceback
            log.exception("message failed", extra=self.named())
            self._fail(InternalError(), found)

    def _fail(self, problem: TunnelError, found: Head | None) -> None:
        self.wire.send(messages.error(problem, problem.request if found is None else head.echoable(found.id)))

    def handle(self, act: Act, found: Head, text: bytes) -> None:
        """Run the act. Raises TunnelError, which is sent to the peer."""
        if act is Act.PONG:
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
        """Return the state for another process to go on with; None while a role is being decided."""
        return None

    def named(self) -> dict[str, str]:
        """Return the fields that name this session in a log line."""
        return {"connection": self.wire.connection_id}

    def lost(self) -> None:
        """Do nothing: no other peer depends on this socket."""

    def high_water(self, high: bool) -> None:
        """Do nothing: no other peer's messages go to this socket."""

    def overfull(self, high: bool) -> None:
        """Do nothing: no other peer's messages go to this socket."""

    def overflowed(self) -> None:
        """Do nothing: no other peer's messages go to this socket."""

    def check(self, now: float) -> None:
        if now - self.wire.heard >= self.limits.liveness_timeout:
            self.wire.close(CloseCode.NORMAL, "Connection timed out")

    def probed(self, now: float) -> None:
        """Send protocol pings: ``check`` for peers that may be silent for long."""
        silent = now - self.wire.heard
        if silent >= self.limits.probe_interval + self.limits.probe_timeout:
            self.wire.close(CloseCode.NORMAL, "Connection timed out")
        elif silent >= self.limits.probe_interval - self.limits.liveness_interval:
            self.wire.probe()
