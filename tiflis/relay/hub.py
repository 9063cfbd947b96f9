"""The relay of one worker as the outside meets it: sockets get their roles, watches their answers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from tiflis.clock import running_clock
from tiflis.limits import Limits
from tiflis.protocol import messages
from tiflis.protocol.errors import InvalidPayload, SendFailed
from tiflis.protocol.head import Head
from tiflis.protocol.messages import Connection, Registration
from tiflis.protocol.states import Act
from tiflis.relay.auth.rate_limit import Caller
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claims
from tiflis.relay.home import Home
from tiflis.relay.interfaces import Watches
from tiflis.relay.migration import Migration
from tiflis.relay.remote.edge import Edge
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.superseded import Superseded
from tiflis.relay.tasks import Tasks
from tiflis.relay.watch.interfaces import WatchesMoved
from tiflis.relay.workstation import WorkstationSession

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.05  # between two looks for a home that is just moving
CALL_SECONDS = 10.0  # a watch's call at a home elsewhere
WAIT_SLICE_SECONDS = 2.0  # of a watch's wait for messages


class Steer(Protocol):
    """Hands a newcomer's socket to another worker; returns whether that has taken it."""

    async def __call__(self, newcomer: PendingSession, worker: str, /) -> bool: ...


async def _stay(newcomer: PendingSession, worker: str) -> bool:
    return False


class Hub(Migration):
    """Gives sockets their roles, and runs the watches' calls."""

    def __init__(
        self,
        me: str,
        limits: Limits,
        claims: Claims,
        gate: Authenticator,
        alive: Callable[[str], bool],
        make_watches: Callable[[Home], Watches],
        tasks: Tasks,
    ) -> None:
        """As Migration; besides, where sockets can be handed over, to be set before traffic: ``steer``, and
        ``least_loaded``, the worker that a new workstation should go to."""
        super().__init__(me, limits, claims, alive, make_watches, tasks)
        self.gate = gate
        self.superseded_sockets = Superseded(limits, me)
        self.leaving = False  # this worker ends: nothing waits any more
        self.in_transit = 0  # handovers of single sockets, or of an edge's, that are under way
        self.steer: Steer = _stay
        self.least_loaded: Callable[[], str] = str

    # Newcomers

    async def register(self, newcomer: PendingSession, said: Registration) -> None:
        """A workstation takes its tunnel. Raises TunnelError."""
        if not newcomer.base_url:
            raise InvalidPayload("A workstation registers on a socket of its own")  # this was a client's
        arrival = self._claims.arrival(said)
        address = newcomer.wire.address
        if not newcomer.vouch():
            self.gate.admit_workstation(said.api_key, address, said.previous_tunnel_id)
        if await self._steered(newcomer, self._place(said)):
            return
        async with self.lock(said.previous_tunnel_id):
            if newcomer.gone:
                return  # it must not take the place of the socket that has come instead
            claim = await self._claims.register(said, self.gate.applicant(said, address), arrival)
            if claim.overtaken:
                self._supersede(newcomer, claim.record.tunnel_id)
                return
            self.gate.registered(claim.record.tunnel_id, address)
            home = await self._settle(claim.record, claim.previous)
        if newcomer.gone:
            home.expect()
            return
        wire = newcomer.wire
        session = WorkstationSession(wire, self.limits, home, said.auth_key, self.superseded_sockets)
        wire.session = session
        wire.widen()
        home.register(session, messages.registered(home.tunnel_id, newcomer.base_url, claim.restored))
        log.info("workstation registered", extra=session.named() | {"restored": claim.restored})

    def _supersede(self, newcomer: PendingSession, tunnel_id: str) -> None:
        """A later registration was faster: this one hears what it would have heard before it."""
        if not newcomer.gone:
            newcomer.wire.send(messages.registered(tunnel_id, newcomer.base_url, True))
            newcomer.wire.widen()
            self.superseded_sockets.add(tunnel_id, newcomer.wire)

    async def connect(self, newcomer: PendingSession, said: Connection, request: bytes) -> None:
        """A client takes its place. Raises TunnelError."""
        if not newcomer.vouch():
            await self.gate.authorise(said.tunnel_id, [said.auth_key], newcomer.wire.address, said.device_id)
        if await self._steered(newcomer, self._claims.home_of(said.tunnel_id)):
            return
        route = await self.route(said.tunnel_id)
        if newcomer.gone:
            return
        wire = newcomer.wire
        client = ClientSession(wire, self.limits, said, route, self)
        wire.session = client
        wire.widen()
        route.attach(client, request)
        log.debug("client attached", extra=client.named() | {"here": isinstance(route, Home)})

    def _place(self, said: Registration) -> str:
        """The worker that a workstation should be in: where its devices are, or else where there is room."""
        known = self._claims.home_of(said.previous_tunnel_id) if said.previous_tunnel_id else ""
        return known if known and self.alive(known) else self.least_loaded()

    async def _steered(self, newcomer: PendingSession, worker: str) -> bool:
        """Whether the newcomer's socket is now another worker's, who decides upon it."""
        if worker in ("", self.me) or newcomer.settled or newcomer.gone:
            return False
        return self.alive(worker) and await self.steer(newcomer, worker)

    def recognise(self, client: ClientSession, auth_key: str) -> bool:
        caller = Caller(client.wire.address, client.tunnel_id, client.device_id)
        return self.gate.recognise(caller, auth_key, client.auth_key)

    def turn_away(self, client: ClientSession, text: bytes) -> None:
        client.route.detach(client)
        client.wire.session = self.newcomer(client.wire, "")
        client.wire.narrow()
        client.wire.send(text)

    def rejoin(self, client: ClientSession, found: Head, text: bytes) -> None:
        client.route.detach(client)
        newcomer = client.wire.session = self.newcomer(client.wire, "")
        newcomer.handle(Act.CONNECT, found, text)

    def newcomer(self, wire: Any, base_url: str) -> PendingSession:
        """The session of a socket without a role."""
        return PendingSession(wire, self.limits, self, base_url)

    # Watches

    async def authorise(
        self, tunnel_id: str, auth_keys: list[str], address: str, device_id: str | None = None
    ) -> str:
        return await self.gate.authorise(tunnel_id, auth_keys, address, device_id)

    async def call(
        self, tunnel_id: str, operation: str, arguments: dict[str, Any], body: bytes = b""
    ) -> dict[str, Any]:
        """A watch's operation at the tunnel's home. Raises TunnelError."""
        left = float(arguments.get("wait") or 0)
        while True:
            # A long wait is cut into short ones: the home may move meanwhile, or this worker end.
            wait = 0.0 if self.leaving else min(left, WAIT_SLICE_SECONDS)
            left -= wait
            if "wait" in arguments:
                arguments = {**arguments, "wait": wait}
            answer = await self._call_once(tunnel_id, operation, arguments, body)
            if left <= 0 or self.leaving or worth_telling(answer):
                return answer

    async def _call_once(
        self, tunnel_id: str, operation: str, arguments: dict[str, Any], body: bytes
    ) -> dict[str, Any]:
        try:
            async with running_clock().timeout(CALL_SECONDS):
                while True:
                    try:
                        return await self._call(await self.route(tunnel_id), operation, arguments, body)
                    except WatchesMoved:
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise SendFailed from None

    async def _call(
        self, route: Home | Edge, operation: str, arguments: dict[str, Any], body: bytes
    ) -> dict[str, Any]:
        return await route.call(operation, arguments, body)


def worth_telling(answer: dict[str, Any]) -> bool:
    """Whether a poll that waits is to be answered now."""
    return bool(answer.get("may_have_missed_messages")) or answer.get("messages_json", "") != "[]"
