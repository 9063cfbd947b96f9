"""Who uses a channel, as the channel sees it."""

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
