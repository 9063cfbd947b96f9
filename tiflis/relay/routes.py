"""The ways of one worker to its tunnels: homes here, edges to homes elsewhere, and how both move."""

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakValueDictionary

from tiflis.bus.channel import Channel, ChannelHandler
from tiflis.bus.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.limits import Limits
from tiflis.protocol.errors import SendFailed, TunnelError
from tiflis.relay.claims import Claims
from tiflis.relay.client import ClientSession
from tiflis.relay.edge import Edge, Opener
from tiflis.relay.home import Home
from tiflis.relay.moves import NOBODY, Taker, hand_over
from tiflis.relay.neighbour import Neighbour
from tiflis.relay.surroundings import Desk, Timer
from tiflis.relay.tasks import Tasks
from tiflis.relay.trace import home_class

log = logging.getLogger(__name__)

ROUTE_ATTEMPTS = 8  # a tunnel that moves faster than this is in a storm
RETRY_SECONDS = 0.05  # between two looks for a home that is just moving
ADRIFT_RETRY_SECONDS = 0.5  # between two looks once the clients have been told
GATHER_SECONDS = 1.5  # how long a workstation waits for clients on their way from its old home


class Routes:
    """Finds each tunnel's home, and moves clients when it moves."""

    def __init__(
        self,
        me: str,
        limits: Limits,
        claims: Claims,
        alive: Callable[[str], bool],
        make_desk: Callable[[Home], Desk],
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
        self._claims, self._alive, self._make_desk = claims, alive, make_desk
        self._home = home_class()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time

    def later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        return self._loop.call_later(delay, callback)

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
        return self.homes.get(tunnel_id) or self.edges.get(tunnel_id)

    async def _way(self, record: Record) -> Home | Edge:
        if record.home and record.home != self.me and self._alive(record.home):
            return self._open_edge(record.home, record.tunnel_id)
        return await self._settle(await self._claims.care_for(record), record)

    async def _settle(self, record: Record, previous: Record | None) -> Home:
        """This worker is the tunnel's home now; if it was not, what the old one knows comes over."""
        home = self.homes.get(record.tunnel_id)
        if home is None:
            home = self.homes[record.tunnel_id] = self._home(self, record)
            home.desk = self._make_desk(home)
        home.record = record
        old = previous.home if previous else ""
        if old and old != self.me and self._alive(old):
            home.expect()
            await Taker(home, self.me).take(old, self.open_channel)
            self.later(GATHER_SECONDS, home.all_arrived)
        self.later(0, lambda: self.settled(record.tunnel_id))
        return home

    # Moving clients

    def _edge_closed(self, edge: Edge) -> None:
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]
        if not self._alive(edge.peer):
            edge.announce_offline()
        elif edge.torn:
            edge.tell_offline()
        for client in edge.clients.values():
            client.hold(True)
        if edge.clients or edge.leavers:
            self.spawn(self._reroute(edge))

    async def _reroute(self, edge: Edge, known_as_before: bool = False) -> None:
        """Bring an edge's clients, and what they said meanwhile, to the tunnel's new home."""
        told_at = self.now() + self.limits.offline_grace
        while edge.clients or (edge.leavers and not edge.adrift):
            try:
                route = await self.route(edge.tunnel_id, fresh=True)
            except TunnelError as problem:
                if self.now() >= told_at and not edge.adrift:
                    self._set_adrift(edge, problem)
                await asyncio.sleep(ADRIFT_RETRY_SECONDS if edge.adrift else RETRY_SECONDS)
            else:
                self._bring(edge, route, known_as_before)
                return

    def _set_adrift(self, edge: Edge, problem: TunnelError) -> None:
        log.warning("tunnel unreachable", extra={"tunnel": edge.tunnel_id, "reason": problem.code})
        edge.adrift = True
        edge.announce_offline()
        for client in edge.clients.values():
            client.hold(False)

    def _bring(self, edge: Edge, route: Home | Edge, known_as_before: bool) -> None:
        clients, edge.clients = list(edge.clients.values()), {}
        for client in clients:
            client.route = route
            client.hold(False)
            route.attach(client, origin=(self.me, client.wire.number) if known_as_before else None)
            if isinstance(route, Home):
                route.arrived(self.me, client.wire.number)
        leavers, edge.leavers = edge.leavers, []
        for client in leavers:
            route.attach(client)
        undelivered, edge.undelivered = edge.undelivered, []
        for client, request, text in undelivered:
            route.forward(client, request, text)
        for client in leavers:
            route.detach(client)
            if isinstance(route, Home):
                route.arrived(self.me, client.wire.number)
        if isinstance(route, Edge):
            self.straighten(route)

    async def hand_over(self, home: Home, channel: Channel, generation: int) -> None:
        """The worker at the other end of ``channel`` has claimed this home's tunnel."""
        if self._outdates(generation, home):
            # A workstation that is just being registered here comes first, and all that its home takes over.
            async with self.lock(home.tunnel_id):
                if self._outdates(generation, home):
                    await self._hand_over(home, channel)
                    return
        channel.close()  # we have claimed it once more, or it has gone another way

    def _outdates(self, generation: int, home: Home) -> bool:
        """Whether a claim is newer than this home's, which still is one."""
        return self.homes.get(home.tunnel_id) is home and generation > home.record.generation

    async def _hand_over(self, home: Home, channel: Channel) -> None:
        clients = await hand_over(home, channel, self.me)
        self.let_go(home, channel.peer, clients)
        log.info(
            "tunnel moved", extra={"tunnel": home.tunnel_id, "to": channel.peer, "clients": len(clients)}
        )

    def let_go(self, home: Home, to: str, clients: list[ClientSession]) -> None:
        """``home`` is nobody's home any more: its clients here go on through a channel to the new one."""
        if self.homes.get(home.tunnel_id) is home:
            del self.homes[home.tunnel_id]
        edge = self.edges.get(home.tunnel_id)
        if edge is None and clients:
            edge = self._open_edge(to, home.tunnel_id)
        for client in clients:
            assert edge is not None
            client.route = edge
            edge.attach(client)
        if edge is not None and clients:
            self.straighten(edge)

    def _open_edge(self, peer: str, tunnel_id: str) -> Edge:
        edge = self.edges[tunnel_id] = Edge(peer, tunnel_id, self.open_channel, self._edge_closed)
        return edge

    def drop(self, edge: Edge) -> None:
        """Nobody here needs this way any more."""
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]
        edge.close()

    # The whole tunnel goes to another process, or comes from one

    async def inherit(self, record: Record, state: bytes, expected: list[tuple[str, int]]) -> Home:
        """Become the home of a tunnel that is handed over. Raises Conflict, DirectoryUnavailable."""
        home = self._home(self, await self._claims.inherit(record))
        self.homes[record.tunnel_id] = home
        home.desk = self._make_desk(home)
        home.take(state, expected, greet=False)
        self.later(GATHER_SECONDS, home.all_arrived)
        return home

    def pass_on(self, home: Home) -> None:
        """The tunnel is another worker's: its remaining clients, elsewhere, have to find that."""
        if self.homes.get(home.tunnel_id) is home:
            del self.homes[home.tunnel_id]
        home.workstation = None
        home.retire()
        for neighbour in list(home.neighbours):
            neighbour.close()

    def thaw(self, home: Home) -> None:
        """The other worker did not take the tunnel: go on."""
        home.desk = self._make_desk(home)
        home.thaw()

    def detach_edge(self, edge: Edge) -> None:
        """Its clients are about to go: new ones take another way."""
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]

    def bring_back(self, edge: Edge) -> None:
        """The other worker did not take an edge's clients: they find their home anew, as themselves."""
        self.spawn(self._reroute(edge, known_as_before=True))

    def accept(self, channel: Channel) -> ChannelHandler:
        """Another worker takes this one for a tunnel's home, or has claimed it from us."""
        home = self.homes.get(channel.tunnel_id)
        if home is not None:
            return Neighbour(home, channel, self)
        channel.hold()  # what it brings is not consumed: the other end may have to send it elsewhere
        self.later(RETRY_SECONDS, lambda: self._accept_late(channel))
        return NOBODY

    def _accept_late(self, channel: Channel) -> None:
        """The other worker may have heard of a claim of ours before we did."""
        home = self.homes.get(channel.tunnel_id)
        if channel.ended:
            return
        if home is None:
            channel.close()
        else:
            channel.handler = Neighbour(home, channel, self)
            channel.resume()

    # The directory

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

    def lost_desk(self, home: Home) -> None:
        """Another home has taken over its watches: it has the tunnel, or has tried to and is gone."""
        log.info("watches have another home", extra={"tunnel": home.tunnel_id})
        if self.homes.get(home.tunnel_id) is home and not self._claims.newer(home.record):
            home.desk = self._make_desk(home)
