"""The receiving worker's side of a handoff: claims tunnels, adopts sockets, and goes on reading them."""

import logging
from contextlib import nullcontext
from typing import cast

from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.handoff import messages
from tiflis.handoff.messages import HandoffRequest, HandoffResponse, SocketState
from tiflis.ipc.fd_passing import close_all
from tiflis.protocol.errors import TunnelError
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.remote import envelope
from tiflis.relay.remote.edge import Edge
from tiflis.relay.sessions.session import BaseSession, Wire
from tiflis.relay.workstation import WorkstationSession
from tiflis.web.socket import WebSocket
from tiflis.web.sockets import Sockets

log = logging.getLogger(__name__)


class HandoffReceiver:
    """Takes handoff requests from other workers of this host."""

    def __init__(self, hub: Hub, sockets: Sockets, room: int) -> None:
        """``room``: sockets in this worker above which it refuses steered ones."""
        self._hub, self._sockets, self._room = hub, sockets, room

    async def serve(self, body: bytes, descriptors: list[int]) -> bytes:
        """Return the response to a request. If it refuses, the sender keeps the sockets."""
        try:
            taken = messages.read(body)
            response = await self._take(taken, descriptors)
        except (Conflict, DirectoryUnavailable, TunnelError) as problem:
            response = HandoffResponse(False, str(problem) or type(problem).__name__, again=True)
        except ValueError as problem:
            response = HandoffResponse(False, str(problem))
        if not response.taken:
            log.warning("handover refused", extra={"reason": response.reason})
            close_all(descriptors)
        return messages.encode(response)

    async def _take(self, taken: HandoffRequest, descriptors: list[int]) -> HandoffResponse:
        if taken.kind == "steered" and len(self._sockets.open) >= self._room:
            return HandoffResponse(False, "too many sockets here")
        if taken.kind == "steered" and self._hub.leaving:
            return HandoffResponse(False, "this worker is leaving")
        if taken.kind == "home" and self._hub.router.lock(taken.tunnel_id).locked():
            # The claim under way here waits for the sender's home, which has to go on.
            return HandoffResponse(False, "the tunnel is being claimed here", again=True)
        if taken.kind == "home":
            await self._take_home(taken, descriptors)
        elif taken.kind == "edge":
            await self._take_clients(taken, descriptors)
        else:
            await self._take_loose(taken, descriptors)
        return HandoffResponse(True)

    async def _take_home(self, taken: HandoffRequest, descriptors: list[int]) -> None:
        """Take a whole tunnel: claim it, adopt its clients, and its workstation last. Then read them."""
        record = taken.described()
        async with self._hub.router.lock(record.tunnel_id):
            home = await self._hub.migration.inherit(record, taken.state)
        pieces = list(zip(taken.sockets, descriptors, strict=True))
        workstations = [piece for piece in pieces if piece[0].session_state.role == "workstation"]
        adopted: list[WebSocket | None] = []
        with home.carrying() if workstations else nullcontext():
            for socket_state, descriptor in pieces:
                if socket_state.session_state.role != "workstation":
                    adopted.append(await self._adopt_client(home, taken.sender, socket_state, descriptor))
            for socket_state, descriptor in workstations:
                adopted.append(await self._adopt_workstation(home, socket_state, descriptor))
        for socket in adopted:
            if socket is not None:
                socket.go()

    async def _take_clients(self, taken: HandoffRequest, descriptors: list[int]) -> None:
        """Take clients whose home is another worker; that home keeps the messages that they miss."""
        route = await self._hub.migration.settled_route(taken.tunnel_id)
        positions = envelope.read_positions(taken.state) if taken.state else []
        if isinstance(route, Home):
            route.reattach_edge(positions)
        else:
            route.resume(positions)
        for socket_state, descriptor in zip(taken.sockets, descriptors, strict=True):
            socket = await self._adopt_client(route, taken.sender, socket_state, descriptor)
            if socket is not None:
                socket.go()

    async def _take_loose(self, taken: HandoffRequest, descriptors: list[int]) -> None:
        for socket_state, descriptor in zip(taken.sockets, descriptors, strict=True):
            socket = self._make(socket_state)
            socket.steered = taken.kind == "steered"
            session_state = socket_state.session_state
            if session_state.role == "orphan":
                self._hub.superseded_sockets.add(session_state.tunnel_id, cast(Wire, socket))
                await self._start(socket, socket_state, descriptor)
                continue
            pending = self._hub.pending_session(cast(Wire, socket), session_state.base_url)
            pending.settled = pending.vouched = taken.kind == "steered"
            socket.session = pending
            if await self._start(socket, socket_state, descriptor):
                for text in session_state.first:
                    socket.session.received(text)

    async def _adopt_client(
        self, route: Home | Edge, sender: str, socket_state: SocketState, descriptor: int
    ) -> WebSocket | None:
        """Return the client's adopted socket, which is not read yet; None if it was lost on the way."""
        socket, session_state = self._make(socket_state), socket_state.session_state
        client = self._hub.adopt(cast(Wire, socket), session_state.connection, route)
        client.connected, client.told_offline = session_state.connected, session_state.told_offline
        client.marked = session_state.marked
        socket.session = client
        socket.raise_message_limit()
        alive = await self._start(socket, socket_state, descriptor, go=False)
        route.attach(client, places=[(sender, session_state.number)])
        if isinstance(route, Home):
            route.arrived(sender, session_state.number)  # its workstation no longer waits for it
        if not alive:
            route.detach(client)
        else:
            self._hub.check_key(client)
        return socket if alive else None

    async def _adopt_workstation(
        self, home: Home, socket_state: SocketState, descriptor: int
    ) -> WebSocket | None:
        """Return the workstation's adopted socket, which is not read yet; None if it was lost on the way."""
        socket, session_state = self._make(socket_state), socket_state.session_state
        session = WorkstationSession(
            cast(Wire, socket), self._hub.limits, home, session_state.auth_key, self._hub.superseded_sockets
        )
        socket.session = session
        socket.raise_message_limit()
        if not await self._start(socket, socket_state, descriptor, go=False):
            return None
        home.resume(session)
        return socket

    def _make(self, socket_state: SocketState) -> WebSocket:
        socket = self._sockets.make(socket_state.state["address"], socket_state.state["connection_id"])
        socket.session = cast(BaseSession, None)
        return socket

    async def _start(
        self, socket: WebSocket, socket_state: SocketState, descriptor: int, go: bool = True
    ) -> bool:
        """Adopt the connection; return whether it is still open. It is read only after ``go``."""
        try:
            await socket.adopt(descriptor, socket_state.state)
        except OSError as problem:
            log.info(
                "socket lost on the way",
                extra={"connection": socket.connection_id, "reason": str(problem)},
            )
            self._sockets.forget(socket)
            return False
        log.debug(
            "socket adopted",
            extra={"connection": socket.connection_id, "was": socket_state.session_state.role},
        )
        if go:
            socket.go()
        return True
