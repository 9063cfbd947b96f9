"""What stands around a tunnel's home: its workstation, its watches, other workers, and the clock."""

from collections.abc import Callable
from typing import Any, Protocol

from tiflis.limits import Limits
from tiflis.relay.remote.snapshot import EdgeSnapshot
from tiflis.relay.wire import Wire


class Timer(Protocol):
    def cancel(self) -> None: ...


class Workstation(Protocol):
    """The tunnel's workstation as its home sees it."""

    wire: Wire
    auth_key: str

    def superseded(self) -> None:
        """A newer registration has taken its place."""


class Watches(Protocol):
    """The tunnel's watches."""

    async def call(self, operation: str, arguments: dict[str, Any], body: bytes) -> dict[str, Any]: ...
    async def release(self) -> bool:
        """Write everything down for the next home; nothing more is queued here. Whether that was done."""

    async def close(self) -> None:
        """Another home has the watches: end at once, and write nothing more."""

    def expect_gap(self) -> None:
        """The last home could not write everything down."""

    def deliver(self, text: bytes) -> None: ...
    def deliver_to(self, device_id: str, text: bytes) -> bool: ...
    def devices(self) -> list[str]: ...
    def workstation_registered(self, auth_key: str) -> None: ...


class EdgeSession(Protocol):
    """Another worker with clients of this tunnel."""

    def broadcast(self, text: bytes) -> None: ...
    def hold(self, held: bool) -> None: ...
    def sockets(self) -> set[tuple[str, int]]: ...
    def party(self, me: str) -> EdgeSnapshot:
        """Its clients, and what lies between it and this home in the worker ``me``."""

    def close(self) -> None: ...


class Surroundings(Protocol):
    """What a home needs of its worker to relay."""

    me: str  # the worker's id
    limits: Limits

    def now(self) -> float: ...
    def later(self, delay: float, callback: Callable[[], None], /) -> Timer: ...
