"""What a tunnel's watches need of their home, and the limits they live within."""

from typing import NamedTuple, Protocol

from tiflis.protocol.errors import SendFailed
from tiflis.relay.watch.queue import Bounds
from tiflis.relay.watch.writer import PACE


class WatchesMoved(SendFailed):
    """The tunnel's watches have moved to another home: nothing was done, the call may be made there."""

    default = "The tunnel is moving; try again"


class QueueLimits(NamedTuple):
    """Sizes and times; the defaults are the protocol page's."""

    bounds: Bounds = Bounds()
    idle: float = 300.0  # seconds: a watch without a call for so long has gone
    refresh: float = 20.0  # seconds between two signs of life of a watch in the store
    store_timeout: float = 5.0  # seconds that a call waits for the store: it is back after most outages
    watches: int = 1024  # a tunnel; one more ends the one that has been silent longest
    pace: float = PACE


class WatchesHome(Protocol):
    """What the desk needs of the tunnel's home."""

    @property
    def workstation_online(self) -> bool: ...

    @property
    def workstation_name(self) -> str: ...

    @property
    def generation(self) -> int:
        """Of the home's claim: it rises by one from each home of the tunnel to the next."""

    def to_workstation(self, text: bytes, device_id: str, request_id: bytes) -> None:
        """Send ``text`` as it is. ``request_id``: raw JSON of the message's ``id``, empty without one.
        Raises WorkstationOffline."""

    def device_left(self, device_id: str) -> None:
        """The watch has gone; the workstation is to hear of it unless the device has a socket."""

    def device_came(self, device_id: str) -> None:
        """The watch is there (again): that it had gone is not told any more."""

    def watches_lost(self, watches: object) -> None:
        """Another home has taken over this tunnel's watches; ``desk`` answers no more."""
