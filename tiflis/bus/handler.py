"""What stands around a channel: who uses it, and the lane that carries it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tiflis.bus.channel import Channel


class ChannelHandler(Protocol):
    """Who uses a channel. All calls come from the event loop and must not block."""

    def received(self, channel: "Channel", message: bytes) -> None:
        """One message, in order, once."""

    def writable_changed(self, channel: "Channel", writable: bool) -> None:
        """False: send no more for now. True: go on."""

    def closed(self, channel: "Channel", undelivered: list[bytes]) -> None:
        """The channel has ended; `undelivered` are our messages that the peer had not consumed, in order."""


class Port(Protocol):
    """What a channel needs from the lane that carries it."""

    peer: str

    @property
    def chunk_size(self) -> int: ...
    def now(self) -> float: ...
    def soon(self, call: Callable[[], None]) -> None: ...
    def wants_to_send(self, channel: "Channel") -> None: ...
    def wants_to_tell(self, channel: "Channel") -> None: ...
    def ack_later(self, channel: "Channel") -> None: ...
    def landed(self, size: int) -> None: ...
    def forget(self, channel: "Channel", tell: bool) -> None: ...
