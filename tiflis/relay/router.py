"""Finds the home or the edge of a tunnel in one worker."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol
from weakref import WeakValueDictionary

from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.clock import running_clock
from tiflis.limits import Limits
from tiflis.protocol.errors import SendFailed
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.claims import Claims
from tiflis.relay.devices.audit import Audit
from tiflis.relay.held.store import HeldLimits, HeldStore
from tiflis.relay.home import Home
from tiflis.relay.interfaces import Timer, Watches
from tiflis.relay.push.sender import PushSender
from tiflis.relay.remote.edge import Edge, Opener
from tiflis.relay.tasks import Tasks
from tiflis.relay.transfer import Taker

log = logging.getLogger(__name__)

ROUTE_ATTEMPTS = 8  # a tunnel that moves faster than this is in a storm
RETRY_SECONDS = 0.05  # between two attempts to find a home that is just moving
GATHER_SECONDS = 1.5  # how long a workstation waits for clients on their way from its old home


class RouterEvents(Protocol):
    """Follows up what happens to the homes and edges of a router."""

    def edge_closed(self, edge: Edge) -> None:
        """Bring the edge's clients to the home by another route: its channel has closed."""

    def settled(self, tunnel_id: str) -> None:
        """Called soon after this worker has become the tunnel's home."""


class Router:
    """The homes and edges of this worker: finds each tunnel's home, or becomes it."""

    def __init__(
        self,
        me: str,
        limits: Limits,
        claims: Claims,
        alive: Callable[[str], bool],
        make_watches: Callable[[Home], Watches],
        tasks: Tasks,
        open_channel: Opener,
        began: float = float("-inf"),
    ) -> None:
        """``alive``: return whether a worker, by id, is present.

        ``began``: when this worker began to serve; clients may have come back before their workstation since
        then.
        """
        self.events: RouterEvents  # Migration sets itself here
        self.keys: DeviceKeys | None = None  # set before traffic, as the next
        self.audit: Audit | None = None  # None: no audit is kept
        self.me, self.limits, self.alive, self.began = me, limits, alive, began
        self.homes: dict[str, Home] = {}
        self.edges: dict[str, Edge] = {}
        self.open_channel, self.make_watches, self.spawn = open_channel, make_watches, tasks.spawn
        self.stays: Callable[[str], bool] = lambda worker_id: True  # whether its code lets devices stay
        self.sees: Callable[[str], bool] = lambda worker_id: True  # whether its code knows SEEN
        self.held_store: HeldStore | None = None
        self.held_limits = HeldLimits()
        self.push: PushSender | None = None
        self._claims = claims
        self._home: type[Home] = Home
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._clock = running_clock()
        self.now = self._clock.time

    def later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Call ``callback`` after so many seconds of the worker's running clock."""
        return self._clock.deadline(delay, callback)

    # Finding a home

    def lock(self, tunnel_id: str | None) -> asyncio.Lock:
        """Return the tunnel's lock: this worker makes one claim of a tunnel at a time. A new tunnel (None)
        has no rivals."""
        if tunnel_id is None:
            return asyncio.Lock()
        return self._locks.setdefault(tunnel_id, asyncio.Lock())

    async def route(self, tunnel_id: str, fresh: bool = False) -> Home | Edge:
        """Return the tunnel's home or an edge to it; where it has no home, this worker becomes it.

        ``fresh``: read the store instead of this worker's copy of the directory. Raises TunnelNotFound,
        Starting, or SendFailed when no home can be found now.
        """
        known = self._known(tunnel_id)
        if known is not None:
            return known
        async with self.lock(tunnel_id):
            for attempt in range(ROUTE_ATTEMPTS):
                known = self._known(tunnel_id)
                if known is not None:
                    return known
                record = await self._claims.find(tunnel_id, fresh or attempt > 0)
                try:
                    return await self._route_by(record)
                except Conflict:
                    continue
                except DirectoryUnavailable:
                    break
        raise SendFailed

    def _known(self, tunnel_id: str) -> Home | Edge | None:
        home = self.homes.get(tunnel_id)
        if home is not None and home.frozen:
            return None  # it is being handed over, under the tunnel's lock
        return home or self.edges.get(tunnel_id)

    async def _route_by(self, record: Record) -> Home | Edge:
        if record.home and record.home != self.me and self.alive(record.home):
            return self.open_edge(record.home, record.tunnel_id)
        return await self.settle(await self._claims.care_for(record), record)

    async def settle(self, record: Record, previous: Record | None, new: bool = False) -> Home:
        """Become the home of a tunnel that has been claimed; take over the state of a previous home that is
        alive. ``new``: the tunnel's id has never been used."""
        home = self.homes.get(record.tunnel_id)
        if home is None:
            home = self.make_home(record)
            if new:
                home.watches.begin_empty()
            lost = previous is not None and previous.online  # its last home has died with it
            home.expect_back(self.now() if lost else self.began)
        self.claimed(home, record)
        old = previous.home if previous else ""
        if old and old != self.me and self.alive(old):
            home.expect()
            await Taker(home).take(old, self.open_channel)
            self.later(GATHER_SECONDS, home.all_arrived)
        self.later(0, lambda: self.events.settled(record.tunnel_id))
        return home

    def make_home(self, record: Record) -> Home:
        """Make this worker's home of a tunnel, with its watches."""
        home = self.homes[record.tunnel_id] = self._home(self, record)
        home.watches = self.make_watches(home)
        return home

    def open_edge(self, peer: str, tunnel_id: str) -> Edge:
        """Open an edge to the tunnel's home in the worker ``peer``."""
        edge = self.edges[tunnel_id] = Edge(
            self.me,
            peer,
            tunnel_id,
            self.open_channel,
            self.events.edge_closed,
            self.stays(peer),
            self.sees(peer),
        )
        return edge

    # Forgetting

    def forget_home(self, home: Home) -> None:
        """Remove a home from the registry, unless another has taken its place."""
        if self.homes.get(home.tunnel_id) is home:
            del self.homes[home.tunnel_id]

    def forget_edge(self, edge: Edge) -> None:
        """Remove an edge from the registry: new clients take another route."""
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]

    def drop(self, edge: Edge) -> None:
        """Close an edge that has no clients."""
        self.forget_edge(edge)
        edge.close()

    # The directory

    def claimed(self, home: Home, record: Record) -> None:
        """Note that this worker has claimed the tunnel of ``home``, perhaps once more."""
        # Another home in between has the watches, even if it has not come to write, or is gone again.
        stale = home.without_watches or record.generation > home.record.generation + 1
        home.record = record
        if stale:
            self.spawn(home.watches.close())
            home.without_watches, home.watches = False, self.make_watches(home)

    def outdated(self, home: Home) -> bool:
        """Return whether the directory holds a later claim than the home's."""
        return self._claims.newer(home.record)

    def touched(self, home: Home) -> None:
        """Write in the directory that the tunnel has had a device."""
        self.spawn(self._write_touched(home))

    async def _write_touched(self, home: Home) -> None:
        async with self.lock(home.tunnel_id):
            if home.record.untouched and self.homes.get(home.tunnel_id) is home:
                await self.rewrite(home, untouched=False)

    def went_offline(self, home: Home) -> None:
        """Write in the directory that the tunnel's workstation is offline."""
        self.spawn(self._write_offline(home))

    async def _write_offline(self, home: Home) -> None:
        log.info("workstation offline", extra={"tunnel": home.tunnel_id})
        async with self.lock(home.tunnel_id):
            if home.workstation is None and self.homes.get(home.tunnel_id) is home:
                await self.rewrite(home, online=False)

    async def rewrite(self, home: Home, /, **changes: object) -> bool:
        """Change our record; return whether the directory has stored it."""
        try:
            home.record = await self._claims.rewrite(home.record, **changes)
        except (Conflict, DirectoryUnavailable) as problem:
            log.info("directory not updated", extra={"tunnel": home.tunnel_id, "reason": str(problem)})
            return False
        return True

    def lost_watches(self, home: Home) -> None:
        """Note that another home has taken over the watches: it has the tunnel, or has tried to and is
        gone."""
        log.info("watches have another home", extra={"tunnel": home.tunnel_id})
        if self.homes.get(home.tunnel_id) is home:
            home.without_watches = True
            if not self._claims.newer(home.record):
                self.claimed(home, home.record)
