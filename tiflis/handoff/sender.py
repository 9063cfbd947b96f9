"""The sending worker's side of a handoff: tunnel by tunnel, its sockets go on in another worker.

Nothing is closed, lost, doubled or reordered: a socket is not read from the moment its state is taken until
the other worker reads it; messages for it meanwhile wait at its tunnel's home.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from tiflis import metrics
from tiflis.clock import running_clock
from tiflis.handoff import messages
from tiflis.handoff.messages import HandoffRequest, SocketState
from tiflis.ipc.fd_passing import HandoffClient, HandoffFailed, close_all
from tiflis.protocol.close import CloseCode
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.remote import envelope
from tiflis.relay.remote.edge import Edge
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.session import Pause, Wire
from tiflis.relay.transfer import write_down
from tiflis.web.socket import WebSocket
from tiflis.web.sockets import Sockets

log = logging.getLogger(__name__)

PASS_SECONDS = 0.02  # between two passes: sockets without a role yet, or just accepted, go with the next
AGAIN_SECONDS = 0.1  # before sockets that were refused for the moment are offered again
AT_ONCE = 8  # tunnels under way at the same time


@dataclass
class Report:
    """The outcome of a handoff."""

    handed: int = 0
    fell_back: int = 0
    reasons: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)  # seconds that a group of sockets was not read
    seconds: float = 0.0

    def failed(self, count: int, reason: str) -> None:
        """Record that `count` sockets could not be handed over."""
        self.fell_back += count
        if reason not in self.reasons:
            self.reasons.append(reason)

    def why(self) -> dict[str, object]:
        """Return the reasons, for a log line about one socket."""
        return {"reason": ", ".join(self.reasons)} if self.reasons else {}

    def summary(self) -> dict[str, object]:
        """Return the outcome for the log and for the operator."""
        pauses = sorted(self.pauses) or [0.0]
        return {
            "handed": self.handed,
            "fell_back": self.fell_back,
            "reasons": self.reasons,
            "seconds": round(self.seconds, 3),
            "pause_p99_ms": round(pauses[int(len(pauses) * 0.99)] * 1000, 1),
        }


class HandoffSender:
    """Hands this worker's sockets to another one."""

    def __init__(self, me: str, hub: Hub, sockets: Sockets, client: HandoffClient) -> None:
        self._me, self._hub, self._sockets, self._client = me, hub, sockets, client
        self.report = Report()
        self._reason = ""  # why some were refused that may be taken in a moment

    async def everything(self, seconds: float) -> Report:
        """Hand over all sockets, including new ones, for at most `seconds`; leave the others open."""
        clock = running_clock().time
        began = clock()
        while True:
            await self._together([self._home(home) for home in list(self._hub.router.homes.values())])
            await self._together(
                [self.edge(edge) for edge in list(self._hub.router.edges.values()) if edge.clients]
            )
            await self._loose()
            self.report.seconds = clock() - began
            left = self._left()
            if left and not self.report.fell_back and self.report.seconds > seconds:
                self.report.failed(left, self._reason or "not in time")
            if not left or self.report.fell_back:
                return self.report
            await asyncio.sleep(AGAIN_SECONDS if self._reason else PASS_SECONDS)
            self._reason = ""

    def _left(self) -> int:
        here = sum(not socket.close_by for socket in self._sockets.open.values())
        return here + self._hub.migration.in_transit

    async def _together(self, works: list[Coroutine[None, None, None]]) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(work: Coroutine[None, None, None]) -> None:
            async with room:
                await work

        await asyncio.gather(*map(one, works))

    # A whole tunnel

    async def _home(self, home: Home) -> None:
        async with self._hub.router.lock(home.tunnel_id):
            if self._hub.router.homes.get(home.tunnel_id) is not home:
                return
            await write_down(home)
            wires = home.freeze()
            pieces, descriptors = await self._pack(wires)
            record = messages.record_of(home.record)
            sent = await self._send("home", home.tunnel_id, pieces, descriptors, record, home.export())
            if sent:
                self._hub.migration.pass_on(home)
            else:
                await self._take_back(pieces, descriptors, wires)
                self._hub.migration.thaw(home)

    # Clients of a home elsewhere

    async def edge(self, edge: Edge) -> None:
        async with self._hub.router.lock(edge.tunnel_id):
            with self._hub.migration.under_way():
                await self._edge(edge)

    async def _edge(self, edge: Edge) -> None:
        for client in edge.clients.values():
            client.wire.pause(Pause.HANDOVER)
        self._hub.router.forget_edge(edge)
        if not await edge.move_away():
            for client in edge.clients.values():
                client.wire.resume(Pause.HANDOVER)
            return
        wires = [client.wire for client in edge.clients.values()]
        pieces, descriptors = await self._pack(wires)
        positions = envelope.pack_positions(edge.positions)
        if not await self._send("edge", edge.tunnel_id, pieces, descriptors, state=positions):
            await self._take_back(pieces, descriptors, wires)
            self._hub.migration.bring_back(edge)

    # Sockets without a role, and superseded ones

    async def _loose(self) -> None:
        wires = [
            cast(Wire, socket)
            for socket in self._sockets.open.values()
            if not socket.close_by and _role(socket) in ("newcomer", "orphan")
        ]
        if not wires:
            return
        pending_sessions = [wire.session for wire in wires if isinstance(wire.session, PendingSession)]
        for pending in pending_sessions:
            pending.leaving = True
        pieces, descriptors = await self._pack(wires)
        if await self._send("loose", "", pieces, descriptors):
            for pending in pending_sessions:
                pending.gone = True
        else:
            await self._take_back(pieces, descriptors, wires)
        for pending in pending_sessions:
            pending.leaving = False

    async def steer(self, pending: PendingSession) -> bool:
        """Hand a socket without a role to the worker that can give it one; return whether it was taken."""
        socket = cast(WebSocket, pending.wire)
        session_state = pending.onward()
        with self._hub.migration.under_way():
            descriptor, state = await socket.leave()
            pieces = [SocketState(session_state, state)]
            if await self._send("steered", "", pieces, [descriptor]):
                pending.gone = True
                return True
            await self._take_back(pieces, [descriptor], [pending.wire])
            pending.wire.pause(Pause.DECIDING)
            return False

    # All of them

    async def _pack(self, wires: list[Wire]) -> tuple[list[SocketState], list[int]]:
        """Take the sockets out of this process; return their states and descriptors."""
        session_states = [wire.session.session_state() for wire in wires]
        left = await asyncio.gather(*(cast(WebSocket, wire).leave() for wire in wires))
        pieces = [
            SocketState(session_state, state)
            for session_state, (_, state) in zip(session_states, left, strict=True)
            if session_state
        ]
        return pieces, [descriptor for descriptor, _ in left]

    async def _send(
        self,
        kind: str,
        tunnel_id: str,
        pieces: list[SocketState],
        descriptors: list[int],
        record: dict[str, object] | None = None,
        state: bytes = b"",
    ) -> bool:
        """Return whether the sockets are the other worker's now; if so, close our descriptors of them."""
        began = time.monotonic()
        outcome = await self._pass(kind, tunnel_id, pieces, descriptors, record, state)
        pause = time.monotonic() - began
        metrics.count("handoff_sockets_total", kind, outcome, by=len(pieces))
        if outcome == "refused":
            return False
        metrics.observe("handoff_pause_seconds", pause, kind)
        self.report.pauses.append(pause)
        close_all(descriptors)
        return True

    async def _pass(
        self,
        kind: str,
        tunnel_id: str,
        pieces: list[SocketState],
        descriptors: list[int],
        record: dict[str, object] | None,
        state: bytes,
    ) -> str:
        """Return the outcome as the metrics name it: ``taken``, ``refused``, or ``unknown``."""
        body = messages.encode(
            HandoffRequest(messages.VERSION, kind, self._me, tunnel_id, pieces, record or {}, state)
        )
        try:
            response = messages.read_receipt(await self._client.send(body, descriptors))
        except HandoffFailed as problem:
            self.report.failed(len(pieces), str(problem))
            # The other worker may be using them; two readers of one socket would be worse than a closed one.
            return "unknown" if problem.undecided else "refused"
        if not response.taken and response.again:
            self._reason = response.reason
            return "refused"
        if not response.taken:
            self.report.failed(len(pieces), response.reason)
            return "refused"
        self.report.handed += len(pieces)
        return "taken"

    async def _take_back(self, pieces: list[SocketState], descriptors: list[int], wires: list[Wire]) -> None:
        """Adopt the sockets that were not taken in this process again, with the same sessions and numbers."""
        back = []
        for socket_state, descriptor, wire in zip(pieces, descriptors, wires, strict=True):
            socket = self._sockets.make(
                socket_state.state["address"],
                socket_state.state["connection_id"],
                socket_state.session_state.number,
            )
            socket.session = wire.session
            wire.session.wire = cast(Wire, socket)
            if socket_state.session_state.role != "newcomer":
                socket.raise_message_limit()
            if await self._is_back(socket, descriptor, socket_state):
                back.append(socket)
        for socket in back:
            if isinstance(socket.session, ClientSession):
                self._hub.check_key(socket.session)  # its key may have been revoked on the way
        for socket in back:  # only now: a message of one may be for another
            socket.go()

    async def _is_back(self, socket: WebSocket, descriptor: int, socket_state: SocketState) -> bool:
        try:
            await socket.adopt(descriptor, socket_state.state)
        except OSError:
            self._sockets.forget(socket)
            socket.session.lost()
            return False
        return True

    def close_rest(self, seconds: float) -> None:
        """Close the sockets that could not be handed over, spread over `seconds`; their peers reconnect."""
        rest = [socket for socket in self._sockets.open.values() if not socket.close_by]
        for index, socket in enumerate(rest):
            close = partial(socket.close, CloseCode.SERVICE_RESTART, "Server is restarting")
            self._hub.later(seconds * index / len(rest), close)


def _role(socket: WebSocket) -> str | None:
    session_state = socket.session.session_state()
    return session_state.role if session_state else None
