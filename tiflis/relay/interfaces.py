"""What a tunnel's home needs of its surroundings: the worker, the workstation, the watches and the edges."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from tiflis.limits import Limits
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.devices.audit import Audit
from tiflis.relay.held.store import HeldLimits, HeldStore
from tiflis.relay.push.sender import PushSender
from tiflis.relay.remote.snapshot import EdgeSnapshot
from tiflis.relay.sessions.session import Place, Wire
from tiflis.relay.watch.calls import Call
from tiflis.relay.watch.stays import StayingDevices

Home_contra = TypeVar("Home_contra", contravariant=True)  # Home, which imports this file


class Timer(Protocol):
    def cancel(self) -> None: ...


class KeyHolder(Protocol):
    """The worker, as far as it has the device keys and the audit."""

    keys: DeviceKeys | None
    audit: Audit | None


class Worker(KeyHolder, Protocol[Home_contra]):
    """The worker that a home lives in."""

    me: str  # the worker's id
    limits: Limits
    held_store: HeldStore | None  # None: no message is held
    held_limits: HeldLimits
    push: PushSender | None  # None: nothing is pushed

    def now(self) -> float: ...
    def later(self, delay: float, callback: Callable[[], None], /) -> Timer: ...
    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task that the worker owns."""

    def alive(self, worker_id: str) -> bool: ...
    def lock(self, tunnel_id: str) -> asyncio.Lock:
        """Return the lock that is held while a home takes over what the last one left."""

    def outdated(self, home: Home_contra) -> bool:
        """Return whether another worker has claimed the tunnel since."""

    # What the directory records

    def touched(self, home: Home_contra) -> None:
        """Record that the tunnel has had a device."""

    def went_offline(self, home: Home_contra) -> None:
        """Record that the workstation has been away for longer than the grace."""

    def lost_watches(self, home: Home_contra) -> None:
        """Note that another home has taken over this one's watches."""


class Access(Protocol):
    """Checks device keys."""

    @property
    def ready(self) -> bool:
        """Return whether device keys are known: before that none is in force."""

    def allows(self, key_id: str, text: bytes) -> bool:
        """Return whether a device key allows a message now."""

    def ended(self, key_id: str) -> bool:
        """Return whether a device key is over."""

    def manages(self, key_id: str) -> bool:
        """Return whether a device key may manage the tunnel."""

    def outcome(self, device_id: str, key_id: str, text: bytes, outcome: str) -> None:
        """Enter in the audit what has become of a message that was kept for the workstation."""


class Workstation(Protocol):
    """The tunnel's workstation as its home sees it."""

    wire: Wire
    auth_key: str

    def superseded(self) -> None:
        """Give the place to a newer registration."""


class Watches(Protocol):
    """The tunnel's watches."""

    async def call(self, call: Call) -> dict[str, Any]: ...
    async def release(self) -> bool:
        """Store everything for the next home and queue nothing more; return whether all was stored."""

    async def close(self) -> None:
        """End at once and store nothing more: another home has the watches."""

    def begin_empty(self) -> None:
        """Begin without a read of the store: the tunnel's id is new."""

    def expect_gap(self) -> None:
        """Announce a gap to each watch: the last home could not store everything."""

    def deliver(self, text: bytes) -> None: ...
    def deliver_to(self, device_id: str, text: bytes) -> bool: ...
    def keep(self, device_id: str, text: bytes) -> None:
        """Put a message that was sent to a device's sockets into its queue, if the device stays."""

    def when_restored(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` as soon as the queues of the last home are here."""

    @property
    def stays(self) -> StayingDevices: ...
    def devices(self) -> list[str]: ...
    def workstation_registered(self, auth_key: str) -> None: ...


class EdgeSession(Protocol):
    """Another worker with clients of this tunnel."""

    def broadcast(self, text: bytes) -> None: ...
    def hold(self, held: bool) -> None: ...
    def sockets(self) -> set[Place]: ...
    def snapshot(self, me: str) -> EdgeSnapshot:
        """Return its clients, and what is unacknowledged between it and this home in the worker ``me``."""

    def close(self) -> None: ...
