"""The interface of a home for its watches, and the limits of watch queues."""

from typing import NamedTuple, Protocol

from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import SendFailed
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.watch.queue import Bounds
from tiflis.relay.watch.stays import StayLimits
from tiflis.relay.watch.writer import PACE


class WatchesMoved(SendFailed):
    """The tunnel's watches have moved to another home. Nothing was done; repeat the call there."""

    default = "The tunnel is moving; try again"


class QueueLimits(NamedTuple):
    """Sizes and times; the defaults are those of the protocol."""

    bounds: Bounds = Bounds()
    idle: float = 300.0  # seconds without a call after which a watch is disconnected
    refresh: float = 20.0  # seconds between two records that a watch is alive
    store_timeout: float = 5.0  # seconds that a call waits for the store; most outages are shorter
    watches: int = 1024  # per tunnel; one more disconnects the one that has been silent longest
    pace: float = PACE
    stay: StayLimits = StayLimits()


class Pushes(Protocol):
    """The push subscriptions of a tunnel."""

    async def changed(self, device_id: str) -> None:
        """Read a device's subscription anew."""


class Expected(Protocol):
    """Whether the tunnel's workstation is offline, but may be back in a moment."""

    @property
    def expected(self) -> bool: ...


class Keys(Protocol):
    """The device keys of a tunnel."""

    def allows(self, key_id: str, text: bytes) -> bool:
        """Return whether a device key allows a message now."""

    def ended(self, key_id: str) -> bool:
        """Return whether a device key is over."""


class WatchesHome(Protocol):
    """The tunnel's home as its watches use it."""

    @property
    def workstation_online(self) -> bool: ...

    @property
    def workstation_name(self) -> str: ...

    @property
    def generation(self) -> int:
        """Return the generation of the home's claim; each home of the tunnel has one more than the last."""

    def to_workstation(self, text: bytes | SplicedText, device_id: str, request_id: bytes) -> None:
        """Send ``text`` unchanged. ``request_id``: raw JSON of the message's ``id``, empty without one.
        Raise WorkstationOffline."""

    def device_left(self, device_id: str) -> None:
        """Report to the workstation that the watch has gone, unless the device has a socket."""

    def device_came(self, device_id: str) -> None:
        """Cancel a report that the watch had gone: it is here again."""

    @property
    def presence(self) -> Expected: ...
    @property
    def access(self) -> Keys: ...
    @property
    def push(self) -> Pushes: ...
    def has_device(self, device_id: str) -> bool:
        """Return whether the device has a socket."""

    def mark(self, device_id: str, cursor: Cursor) -> None:
        """Send the end of its queue to the device's sockets that have resumed."""

    def watches_lost(self, watches: object) -> None:
        """Note that another home has taken over: ``watches`` answers no more calls."""
