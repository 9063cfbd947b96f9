"""The ways of one worker to its tunnels: homes here, and edges to homes elsewhere."""

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakValueDictionary

from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.clock import running_clock
from tiflis.limits import Limits
from tiflis.protocol.errors import SendFailed
from tiflis.relay.claims import Claims
from tiflis.relay.home import Home
from tiflis.relay.interfaces import Timer, Watches
from tiflis.relay.remote.edge import Edge, Opener
from tiflis.relay.tasks import Tasks
from tiflis.relay.trace import home_class
from tiflis.relay.transfer import Taker

log = logging.getLogger(__name__)

ROUTE_ATTEMPTS = 8  # a tunnel that moves faster than this is in a storm
RETRY_SECONDS = 0.05  # between two looks for a home that is just moving
GATHER_SECONDS = 1.5  # how long a workstation waits for clients on their way from its old home


class Router:
    """Finds each tunnel's home, or becomes it."""

    def __init__(
        self,
        me: str,
        limits: Limits,
        claims: Claims,
        alive: Callable[[str], bool],
        make_watches: Callable[[Home], Watches],
        tasks: Tasks,
    ) -> None:
        """``alive``: whether a worker, by id, is there.

        To be set before traffic: ``open_channel``; ``settled``, which hears of every home here; and, where
        sockets can be handed over, ``straighten``, which brings an edge's clients home if that is near.
        """
        self.me, self.limits = me, limits
        self.homes: dict[str, Home] = {}
        self.edges: dict[str, Edge] = {}
        self.open_channel: Opener
        self.straighten: Callable[[Edge], None] = lambda edge: None
        self.settled: Callable[[str], None] = lambda tunnel_id: None
        self.spawn = tasks.spawn
        self._claims, self.alive, self._make_watches = claims, alive, make_watches
        self._home = home_class()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._clock = running_clock()
        self.now = self._clock.time
        self.began = float("-inf")  # when this worker began to serve, where clients may be back too early

    def later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        return self._clock.deadline(delay, callback)

    # Finding a home

    def lock(self, tunnel_id: str | None) -> asyncio.Lock:
        """One claim of a tunnel at a time in this worker; new tunnels have no rivals."""
        if tunnel_id is None:
            return asyncio.Lock()
        return self._locks.setdefault(tunnel_id, asyncio.Lock())

    async def route(self, tunnel_id: str, fresh: bool = False) -> Home | Edge:
        """The way to the tunnel's home; where it has none, this worker becomes it.

        Raises TunnelNotFound, Starting, or SendFailed when no home can be found now.
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
                    return await self._way(record)
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

    async def _way(self, record: Record) -> Home | Edge:
        if record.home and record.home != self.me and self.alive(record.home):
            return self._open_edge(record.home, record.tunnel_id)
        return await self._settle(await self._claims.care_for(record), record)

    async def _settle(self, record: Record, previous: Record | None) -> Home:
        """This worker is the tunnel's home now; if it was not, what the old one knows comes over."""
        home = self.homes.get(record.tunnel_id)
        if home is None:
            home = self.homes[record.tunnel_id] = self._home(self, record)
            home.watches = self._make_watches(home)
            lost = previous is not None and previous.online  # its last home has died with it
            home.expect_back(self.now() if lost else self.began)
        self.claimed(home, record)
        old = previous.home if previous else ""
        if old and old != self.me and self.alive(old):
            home.expect()
            await Taker(home).take(old, self.open_channel)
            self.later(GATHER_SECONDS, home.all_arrived)
        self.later(0, lambda: self.settled(record.tunnel_id))
        return home

    def _open_edge(self, peer: str, tunnel_id: str) -> Edge:
        edge = self.edges[tunnel_id] = Edge(self.me, peer, tunnel_id, self.open_channel, self._edge_closed)
        return edge

    def drop(self, edge: Edge) -> None:
        """Nobody here needs this way any more."""
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]
        edge.close()

    # The directory

    def claimed(self, home: Home, record: Record) -> None:
        """The tunnel of a home here is claimed for it, perhaps once more."""
        # Another home in between has the watches, even if it has not come to write, or is gone again.
        stale = home.without_watches or record.generation > home.record.generation + 1
        home.record = record
        if stale:
            self.spawn(home.watches.close())
            home.without_watches, home.watches = False, self._make_watches(home)

    def outdated(self, home: Home) -> bool:
        return self._claims.newer(home.record)

    def touched(self, home: Home) -> None:
        self.spawn(self._write_touched(home))

    async def _write_touched(self, home: Home) -> None:
        async with self.lock(home.tunnel_id):
            if home.record.untouched and self.homes.get(home.tunnel_id) is home:
                await self.rewrite(home, untouched=False)

    def went_offline(self, home: Home) -> None:
        self.spawn(self._write_offline(home))

    async def _write_offline(self, home: Home) -> None:
        log.info("workstation offline", extra={"tunnel": home.tunnel_id})
        async with self.lock(home.tunnel_id):
            if home.workstation is None and self.homes.get(home.tunnel_id) is home:
                await self.rewrite(home, online=False)

    async def rewrite(self, home: Home, /, **changes: object) -> bool:
        """Change our record; whether the directory took it."""
        try:
            home.record = await self._claims.rewrite(home.record, **changes)
        except (Conflict, DirectoryUnavailable) as problem:
            log.info("directory not updated", extra={"tunnel": home.tunnel_id, "reason": str(problem)})
            return False
        return True

    def lost_watches(self, home: Home) -> None:
        """Another home has taken over its watches: it has the tunnel, or has tried to and is gone."""
        log.info("watches have another home", extra={"tunnel": home.tunnel_id})
        if self.homes.get(home.tunnel_id) is home:
            home.without_watches = True
            if not self._claims.newer(home.record):
                self.claimed(home, home.record)

    def _edge_closed(self, edge: Edge) -> None:
        """Its clients have to go on by another way."""
        raise NotImplementedError
