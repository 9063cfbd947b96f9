"""The new worker's side of a handover: it claims tunnels, adopts sockets, and goes on."""

import logging
from contextlib import nullcontext
from typing import cast

from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.handoff import messages
from tiflis.handoff.messages import Luggage, Parcel, Receipt
from tiflis.ipc.fd_passing import close_all
from tiflis.protocol.errors import TunnelError
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.remote import envelope
from tiflis.relay.remote.edge import Edge
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import BaseSession
from tiflis.relay.wire import Wire
from tiflis.relay.workstation import WorkstationSession
from tiflis.web.socket import Socket
from tiflis.web.sockets import Sockets

log = logging.getLogger(__name__)


class Adoption:
    """Takes parcels from other workers of this host."""

    def __init__(self, hub: Hub, sockets: Sockets, room: int) -> None:
        """``room``: sockets in this worker above which it takes no more from living siblings."""
        self._hub, self._sockets, self._room = hub, sockets, room

    async def serve(self, body: bytes, descriptors: list[int]) -> bytes:
        """The receipt for a parcel. One that is refused is the sender's again."""
        try:
            taken = messages.read(body)
            receipt = await self._take(taken, descriptors)
        except (Conflict, DirectoryUnavailable, TunnelError) as problem:
            receipt = Receipt(False, str(problem) or type(problem).__name__, again=True)
        except ValueError as problem:
            receipt = Receipt(False, str(problem))
        if not receipt.taken:
            log.warning("handover refused", extra={"reason": receipt.reason})
            close_all(descriptors)
        return messages.encode(receipt)

    async def _take(self, taken: Parcel, descriptors: list[int]) -> Receipt:
        if taken.kind == "steered" and len(self._sockets.open) >= self._room:
            return Receipt(False, "too many sockets here")
        if taken.kind == "steered" and self._hub.leaving:
            return Receipt(False, "this worker is leaving")
        if taken.kind == "home" and self._hub.lock(taken.tunnel_id).locked():
            # It is just being claimed here, which waits for the sender's home: that has to go on.
            return Receipt(False, "the tunnel is being claimed here", again=True)
        if taken.kind == "home":
            await self._take_home(taken, descriptors)
        elif taken.kind == "edge":
            await self._take_clients(taken, descriptors)
        else:
            await self._take_loose(taken, descriptors)
        return Receipt(True)

    async def _take_home(self, taken: Parcel, descriptors: list[int]) -> None:
        """A whole tunnel: claim it, then its clients, and its workstation last. Then they are read."""
        record = taken.described()
        async with self._hub.lock(record.tunnel_id):
            home = await self._hub.inherit(record, taken.state)
        pieces = list(zip(taken.luggage, descriptors, strict=True))
        workstations = [piece for piece in pieces if piece[0].passport.role == "workstation"]
        adopted: list[Socket | None] = []
        with home.carrying() if workstations else nullcontext():
            for luggage, descriptor in pieces:
                if luggage.passport.role != "workstation":
                    adopted.append(await self._adopt_client(home, taken.sender, luggage, descriptor))
            for luggage, descriptor in workstations:
                adopted.append(await self._adopt_workstation(home, luggage, descriptor))
        for socket in adopted:
            if socket is not None:
                socket.go()

    async def _take_clients(self, taken: Parcel, descriptors: list[int]) -> None:
        """Clients of a home elsewhere, which keeps what they miss."""
        route = await self._hub.settled_route(taken.tunnel_id)
        stages = envelope.read_stages(taken.state) if taken.state else []
        if isinstance(route, Home):
            route.land(stages)
        else:
            route.resume(stages)
        for luggage, descriptor in zip(taken.luggage, descriptors, strict=True):
            socket = await self._adopt_client(route, taken.sender, luggage, descriptor)
            if socket is not None:
                socket.go()

    async def _take_loose(self, taken: Parcel, descriptors: list[int]) -> None:
        for luggage, descriptor in zip(taken.luggage, descriptors, strict=True):
            socket = self._make(luggage)
            socket.steered = taken.kind == "steered"
            passport = luggage.passport
            if passport.role == "orphan":
                self._hub.orphans.add(passport.tunnel_id, cast(Wire, socket))
                await self._start(socket, luggage, descriptor)
                continue
            newcomer = self._hub.newcomer(cast(Wire, socket), passport.base_url)
            newcomer.settled = newcomer.vouched = taken.kind == "steered"
            socket.session = newcomer
            if await self._start(socket, luggage, descriptor):
                for text in passport.first:
                    socket.session.received(text)

    async def _adopt_client(
        self, route: Home | Edge, sender: str, luggage: Luggage, descriptor: int
    ) -> Socket | None:
        """The client's socket, not read yet; None if it was lost on the way."""
        socket, passport = self._make(luggage), luggage.passport
        client = ClientSession(cast(Wire, socket), self._hub.limits, passport.connection, route, self._hub)
        client.connected, client.told_offline = passport.connected, passport.told_offline
        socket.session = client
        socket.widen()
        alive = await self._start(socket, luggage, descriptor, go=False)
        route.attach(client, places=[(sender, passport.number)])
        if isinstance(route, Home):
            route.arrived(sender, passport.number)  # its workstation does not wait for it any more
        if not alive:
            route.detach(client)
        return socket if alive else None

    async def _adopt_workstation(self, home: Home, luggage: Luggage, descriptor: int) -> Socket | None:
        """The same for the workstation."""
        socket, passport = self._make(luggage), luggage.passport
        session = WorkstationSession(
            cast(Wire, socket), self._hub.limits, home, passport.auth_key, self._hub.orphans
        )
        socket.session = session
        socket.widen()
        if not await self._start(socket, luggage, descriptor, go=False):
            return None
        home.resume(session)
        return socket

    def _make(self, luggage: Luggage) -> Socket:
        socket = self._sockets.make(luggage.state["address"], luggage.state["connection_id"])
        socket.session = cast(BaseSession, None)
        return socket

    async def _start(self, socket: Socket, luggage: Luggage, descriptor: int, go: bool = True) -> bool:
        """Whether the connection lives on. It is not read before ``go``."""
        try:
            await socket.adopt(descriptor, luggage.state)
        except OSError as problem:
            log.info(
                "socket lost on the way",
                extra={"connection": socket.connection_id, "reason": str(problem)},
            )
            self._sockets.forget(socket)
            return False
        log.debug("socket adopted", extra={"connection": socket.connection_id, "was": luggage.passport.role})
        if go:
            socket.go()
        return True
