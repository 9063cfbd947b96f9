"""How the clients of one worker, and whole tunnels, move when a tunnel's home does."""

import asyncio
import logging

from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.bus.directory.directory import Record
from tiflis.protocol.errors import TunnelError
from tiflis.relay.edge_session import EdgeSession
from tiflis.relay.home import Home
from tiflis.relay.remote.edge import Edge, UnconfirmedMessage
from tiflis.relay.remote.envelope import ChannelPosition, Positions
from tiflis.relay.router import GATHER_SECONDS, RETRY_SECONDS, Router
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.transfer import NOBODY, hand_over

log = logging.getLogger(__name__)

ADRIFT_RETRY_SECONDS = 0.5  # between two looks once the clients have been told


class Migration(Router):
    """Moves clients when their tunnel's home moves."""

    def _edge_closed(self, edge: Edge) -> None:
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]
        for client in edge.clients.values():
            client.hold(True)
        if edge.clients or edge.leavers:
            self.spawn(self._reroute(edge))

    async def _reroute(self, edge: Edge) -> None:
        """Bring an edge's clients, and what they said meanwhile, to the tunnel's new home."""
        told_at = self.now() + self.limits.offline_grace
        while edge.clients or (edge.leavers and not edge.adrift):
            try:
                route = await self.settled_route(edge.tunnel_id)
            except TunnelError as problem:
                if self.now() >= told_at and not edge.adrift:
                    self._set_adrift(edge, problem)
                await asyncio.sleep(ADRIFT_RETRY_SECONDS if edge.adrift else RETRY_SECONDS)
            else:
                self._bring(edge, route)
                return

    async def settled_route(self, tunnel_id: str) -> Home | Edge:
        """As ``route``, for clients who come from elsewhere: a home here has what the last one left."""
        while True:
            route = await self.route(tunnel_id, fresh=True)
            if isinstance(route, Edge):
                return route
            async with self.lock(tunnel_id):
                if self.homes.get(tunnel_id) is route and not route.frozen:
                    return route

    def _set_adrift(self, edge: Edge, problem: TunnelError) -> None:
        log.warning("tunnel unreachable", extra={"tunnel": edge.tunnel_id, "reason": problem.code})
        edge.adrift = True
        edge.announce_offline()
        for client in edge.clients.values():
            client.hold(False)

    def _bring(self, edge: Edge, route: Home | Edge) -> None:
        clients, edge.clients = list(edge.clients.values()), {}
        leavers, edge.leavers = edge.leavers, []
        undelivered, edge.undelivered = edge.undelivered, []
        for client in clients:
            client.route = route
            client.hold(False)
        if isinstance(route, Home):
            self._bring_home(route, edge, clients, undelivered, leavers)
            return
        route.resume(edge.stages)
        for client in clients:
            route.attach(client, places=edge.places.get(client.wire.number, ()))
        for said in undelivered:
            route.again(said)
        for client, marks in leavers:
            route.left(client, marks)
        self.straighten(route)

    def _bring_home(
        self,
        home: Home,
        edge: Edge,
        clients: list[ClientSession],
        undelivered: list[UnconfirmedMessage],
        leavers: list[tuple[ClientSession, Positions]],
    ) -> None:
        replay = home.land(edge.stages)
        for client in clients:
            number = client.wire.number
            places = [(self.me, number), *edge.places.get(number, ())]
            home.attach(client, places=places)
            for place in places:
                home.arrived(*place)
        for said in undelivered:
            replay.again(said.client, said.marks, said.request, said.text)
        for client, marks in leavers:
            replay.left(marks, client.device_id, (self.me, client.wire.number))

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
        clients = await hand_over(home, channel)
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
        if edge is not None and clients:
            edge.resume([ChannelPosition(self.me, self.me, 0, 0)])
        for client in clients:
            assert edge is not None
            client.route = edge
            edge.attach(client)
        if edge is not None and clients:
            self.straighten(edge)
            if not self.alive(to):
                edge.give_up()

    # The whole tunnel goes to another process, or comes from one

    async def inherit(self, record: Record, state: bytes) -> Home:
        """Become the home of a tunnel that is handed over. Raises Conflict, DirectoryUnavailable."""
        home = self._home(self, await self._claims.inherit(record))
        self.homes[record.tunnel_id] = home
        home.watches = self._make_watches(home)
        home.take(state, greet=False)
        self.later(GATHER_SECONDS, home.all_arrived)
        return home

    def pass_on(self, home: Home) -> None:
        """The tunnel is another worker's: its remaining clients, elsewhere, have to find that."""
        if self.homes.get(home.tunnel_id) is home:
            del self.homes[home.tunnel_id]
        home.workstation = None
        home.retire()
        for edge_session in list(home.edge_sessions):
            edge_session.close()

    def thaw(self, home: Home) -> None:
        """The other worker did not take the tunnel: go on."""
        home.watches = self._make_watches(home)
        if not home.written_down:
            home.watches.expect_gap()
        home.thaw()

    def detach_edge(self, edge: Edge) -> None:
        """Its clients are about to go: new ones take another way."""
        if self.edges.get(edge.tunnel_id) is edge:
            del self.edges[edge.tunnel_id]

    def bring_back(self, edge: Edge) -> None:
        """The other worker did not take an edge's clients: they find their home anew, as themselves."""
        self.spawn(self._reroute(edge))

    def accept(self, channel: Channel) -> ChannelHandler:
        """Another worker takes this one for a tunnel's home, or has claimed it from us."""
        home = self.homes.get(channel.tunnel_id)
        if home is not None and not home.frozen:
            return EdgeSession(home, channel, self)
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
        elif home.frozen:
            self.later(RETRY_SECONDS, lambda: self._accept_late(channel))
        else:
            channel.handler = EdgeSession(home, channel, self)
            channel.resume()
