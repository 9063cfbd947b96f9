"""Moves clients, and whole tunnels, when a tunnel gets another home."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.protocol.errors import TunnelError
from tiflis.relay.claims import Claims
from tiflis.relay.edge_session import EdgeSession
from tiflis.relay.home import Home
from tiflis.relay.remote.edge import Edge, UnconfirmedMessage
from tiflis.relay.remote.envelope import ChannelPosition, Positions
from tiflis.relay.router import GATHER_SECONDS, RETRY_SECONDS, Router
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.transfer import IGNORING, Taker, hand_over

log = logging.getLogger(__name__)

ADRIFT_RETRY_SECONDS = 0.5  # between two attempts once the clients have received that the tunnel is offline
STEP_DOWN_SECONDS = 3.0  # how long an outdated home waits for the new one to ask for its state


class Steering(Protocol):
    """Brings sockets to other workers of this host."""

    async def steer(self, pending: PendingSession, worker: str, /) -> bool:
        """Hand a socket that has no role yet to another worker; return whether that has taken it."""

    def least_loaded(self) -> str:
        """Return the id of the worker that a new workstation should go to; empty for this one."""

    def straighten(self, edge: Edge) -> None:
        """Hand an edge's clients to the tunnel's home, if that is in this host."""


class NoSteering:
    """Leaves every socket in the worker that accepted it."""

    async def steer(self, pending: PendingSession, worker: str, /) -> bool:
        return False

    def least_loaded(self) -> str:
        return ""

    def straighten(self, edge: Edge) -> None: ...


class Migration:
    """Moves the clients and tunnels of this worker, and follows the claims of other workers."""

    def __init__(self, router: Router, claims: Claims) -> None:
        """``steering`` may be replaced where sockets can be handed to other workers."""
        self._router, self._claims = router, claims
        router.events = self
        self.steering: Steering = NoSteering()
        self.in_transit = 0  # handoffs of single sockets, or of an edge's, that are under way
        self.me, self.alive, self.lock, self.spawn = router.me, router.alive, router.lock, router.spawn

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count a handoff whose sockets are in neither worker: meanwhile this worker must not end."""
        self.in_transit += 1
        try:
            yield
        finally:
            self.in_transit -= 1

    # Clients of a home elsewhere

    def edge_closed(self, edge: Edge) -> None:
        """Bring an edge's clients to the tunnel's home by another route: its channel has closed."""
        self._router.forget_edge(edge)
        for client in edge.clients.values():
            client.hold(True)
        if edge.clients or edge.leavers:
            self.bring_back(edge)

    def bring_back(self, edge: Edge) -> None:
        """Find the home of an edge's clients anew, also after another worker has not taken them."""
        self.spawn(self._reroute(edge))

    async def _reroute(self, edge: Edge) -> None:
        """Bring an edge's clients, and what they have sent meanwhile, to the tunnel's new home."""
        offline_at = self._router.now() + self._router.limits.offline_grace
        while edge.clients or (edge.leavers and not edge.adrift):
            try:
                route = await self.settled_route(edge.tunnel_id)
            except TunnelError as problem:
                if self._router.now() >= offline_at and not edge.adrift:
                    self._set_adrift(edge, problem)
                await asyncio.sleep(ADRIFT_RETRY_SECONDS if edge.adrift else RETRY_SECONDS)
            else:
                self._bring(edge, route)
                return

    async def settled_route(self, tunnel_id: str) -> Home | Edge:
        """Return the route, as ``Router.route`` does, for clients from elsewhere: a home here has taken over
        its predecessor's state."""
        while True:
            route = await self._router.route(tunnel_id, fresh=True)
            if isinstance(route, Edge):
                return route
            async with self.lock(tunnel_id):
                if self._router.homes.get(tunnel_id) is route and not route.frozen:
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
        route.resume(edge.positions)
        for client in clients:
            route.attach(client, places=edge.places.get(client.wire.number, ()))
        for message in undelivered:
            route.again(message)
        for client, positions in leavers:
            route.left(client, positions)
        self.steering.straighten(route)

    def _bring_home(
        self,
        home: Home,
        edge: Edge,
        clients: list[ClientSession],
        undelivered: list[UnconfirmedMessage],
        leavers: list[tuple[ClientSession, Positions]],
    ) -> None:
        replay = home.reattach_edge(edge.positions)
        home.resumed = edge.positions  # a home that was taken for dead still has what it sent over them
        for client in clients:
            number = client.wire.number
            places = [(self.me, number), *edge.places.get(number, ())]
            home.attach(client, places=places)
            for place in places:
                home.arrived(*place)
        for message in undelivered:
            replay.again(message.client, message.marks, message.request, message.text)
        for client, positions in leavers:
            replay.left(positions, client.device_id, (self.me, client.wire.number))

    # A home of ours that another worker has claimed

    async def hand_over(self, home: Home, channel: Channel, generation: int) -> None:
        """Hand ``home`` over to the worker at the other end of ``channel``, which has claimed its tunnel."""
        if self._outdates(generation, home):
            # A workstation that is just being registered here comes first, and all that its home takes over.
            async with self.lock(home.tunnel_id):
                if self._outdates(generation, home):
                    await self._hand_over(home, channel)
                    return
        channel.close()  # we have claimed it once more, or it has gone another way

    def _outdates(self, generation: int, home: Home) -> bool:
        """Return whether a claim is newer than that of this home, which is still registered."""
        return self._router.homes.get(home.tunnel_id) is home and generation > home.record.generation

    async def _hand_over(self, home: Home, channel: Channel) -> None:
        clients = await hand_over(home, channel)
        self.let_go(home, channel.peer, clients)
        log.info(
            "tunnel moved", extra={"tunnel": home.tunnel_id, "to": channel.peer, "clients": len(clients)}
        )

    def let_go(self, home: Home, to: str, clients: list[ClientSession]) -> None:
        """Forget ``home``; its clients here go on through a channel to the worker ``to``."""
        self._router.forget_home(home)
        if not clients:
            return
        edge = self._router.edges.get(home.tunnel_id) or self._router.open_edge(to, home.tunnel_id)
        edge.resume([*home.resumed, ChannelPosition(self.me, self.me, 0, 0)])
        for client in clients:
            client.route = edge
            edge.attach(client)
        self.steering.straighten(edge)
        if not self.alive(to):
            edge.give_up()

    # The whole tunnel goes to another process, or comes from one

    async def inherit(self, record: Record, state: bytes) -> Home:
        """Become the home of a tunnel that is handed over. Raises Conflict, DirectoryUnavailable."""
        home = self._router.make_home(await self._claims.inherit(record))
        home.take(state, greet=False)
        self._router.later(GATHER_SECONDS, home.all_arrived)
        return home

    def pass_on(self, home: Home) -> None:
        """Forget a home that another worker has taken; the edges with its other clients have to find that."""
        self._router.forget_home(home)
        home.workstation = None
        home.retire()
        for edge_session in list(home.edge_sessions):
            edge_session.close()

    def thaw(self, home: Home) -> None:
        """Go on with a home that the other worker did not take."""
        home.watches = self._router.make_watches(home)
        if not home.written_down:
            home.watches.expect_gap()
        home.thaw()

    # Channels from other workers

    def accept(self, channel: Channel) -> ChannelHandler:
        """Return the handler of a channel from a worker that takes this one for a tunnel's home, or has
        claimed the tunnel from us."""
        home = self._router.homes.get(channel.tunnel_id)
        if home is not None and not home.frozen:
            return EdgeSession(home, channel, self.hand_over)
        channel.hold()  # its messages are not consumed: the other end may have to send them elsewhere
        self._router.later(RETRY_SECONDS, lambda: self._accept_late(channel))
        return IGNORING

    def _accept_late(self, channel: Channel) -> None:
        """Accept a channel that came before this worker's own claim of the tunnel was done."""
        home = self._router.homes.get(channel.tunnel_id)
        if channel.ended:
            return
        if home is None:
            channel.close()
        elif home.frozen:
            self._router.later(RETRY_SECONDS, lambda: self._accept_late(channel))
        else:
            channel.handler = EdgeSession(home, channel, self.hand_over)
            channel.resume()

    # The directory has changed

    def settled(self, tunnel_id: str) -> None:
        """Compare a new home here with the directory: the tunnel may have been claimed again before."""
        record = self._claims.current(tunnel_id)
        if record is not None:
            self.directory_changed(tunnel_id, record)

    def directory_changed(self, tunnel_id: str, record: Record | None) -> None:
        """Follow a change of the directory: perhaps another worker has claimed a tunnel whose home is here.

        ``record`` is None for a tunnel that the directory no longer holds.
        """
        home = self._router.homes.get(tunnel_id)
        if home is None or (record is not None and record.home == self.me):
            return
        if record is None:
            self.spawn(self._write_again(home))
            return
        if record.generation <= home.record.generation:
            return
        if home.workstation is not None and not record.online:
            self.spawn(self._reclaim(home, record))
        else:
            self._router.later(STEP_DOWN_SECONDS, lambda: self.spawn(self._step_down(home, record)))

    async def _reclaim(self, home: Home, record: Record) -> None:
        """Claim a tunnel back: a worker that did not know of us took it for homeless, but its workstation is
        here."""
        async with self.lock(home.tunnel_id):
            if not self._lost(home):
                return
            try:
                self._router.claimed(home, await self._claims.reclaim(record))
            except (Conflict, DirectoryUnavailable) as problem:
                log.warning("tunnel not reclaimed", extra={"tunnel": home.tunnel_id, "reason": str(problem)})
                return
            log.info("tunnel reclaimed", extra={"tunnel": home.tunnel_id, "from": record.home})
            await Taker(home).take(record.home, self._router.open_channel)
            home.all_arrived()

    async def _write_again(self, home: Home) -> None:
        """Write the record of a tunnel that is here and that the directory has lost: its store was wiped."""
        log.warning("tunnel missing in the directory, written again", extra={"tunnel": home.tunnel_id})
        await self._router.rewrite(home, revision=0, generation=home.record.generation + 1)

    async def _step_down(self, home: Home, record: Record) -> None:
        """Let go of all that is still here of a tunnel whose new home took us for dead and did not ask for
        its state."""
        async with self.lock(home.tunnel_id):
            if not self._lost(home):
                return
            # It may have been claimed once more since.
            record = self._claims.current(home.tunnel_id) or record
            log.warning("tunnel lost to another worker", extra={"tunnel": home.tunnel_id, "to": record.home})
            clients = home.clients()
            edge_sessions = list(home.edge_sessions)
            home.retire()
            for edge_session in edge_sessions:
                edge_session.close()
            self.let_go(home, record.home, clients)
            await home.watches.close()

    def _lost(self, home: Home) -> bool:
        """Return whether this home is registered here though the directory holds a later claim."""
        return self._router.homes.get(home.tunnel_id) is home and self._claims.newer(home.record)
