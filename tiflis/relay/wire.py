"""What the relay needs of a socket, whichever process or transport carries it."""

from enum import IntFlag
from typing import ClassVar, Protocol

from tiflis.relay.session_state import SessionState


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
