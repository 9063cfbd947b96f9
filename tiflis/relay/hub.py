"""The relay of one worker as its sockets and the watch API see it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from tiflis.clock import running_clock
from tiflis.protocol import messages
from tiflis.protocol.device_keys import key_id_of
from tiflis.protocol.errors import InvalidPayload, RegistrationFailed, SendFailed
from tiflis.protocol.head import Head
from tiflis.protocol.messages import Connection, Registration
from tiflis.protocol.scopes import Scope
from tiflis.protocol.states import Act
from tiflis.relay.auth.rate_limit import Caller
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claim, Claims
from tiflis.relay.home import Home
from tiflis.relay.interfaces import Timer
from tiflis.relay.migration import Migration
from tiflis.relay.remote.edge import Edge
from tiflis.relay.router import Router
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.session import Wire
from tiflis.relay.sessions.superseded import Superseded
from tiflis.relay.watch.calls import Call, Messages
from tiflis.relay.watch.interfaces import WatchesMoved
from tiflis.relay.workstation import WorkstationSession

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.05  # between two attempts to call a home that is just moving
CALL_SECONDS = 10.0  # for the call of a watch at a home elsewhere
WAIT_SLICE_SECONDS = 2.0  # longest single wait of a watch for messages at a home


class Hub:
    """Gives sockets their roles, and runs the calls of watches."""

    def __init__(self, router: Router, migration: Migration, claims: Claims, gate: Authenticator) -> None:
        self.router, self.migration, self.gate, self._claims = router, migration, gate, claims
        self.me, self.limits, self.alive, self.spawn = router.me, router.limits, router.alive, router.spawn
        self.check_key: Callable[[ClientSession], None] = lambda client: None  # closes one whose key is over
        self.knows_keys: Callable[[str], bool] = lambda worker_id: True  # whether a worker knows device keys
        self.superseded_sockets = Superseded(self.limits, self.me)
        self.leaving = False  # this worker ends: calls do not wait any more

    def later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Call ``callback`` after so many seconds."""
        return self.router.later(delay, callback)

    # Roles

    async def register(self, pending: PendingSession, said: Registration) -> None:
        """Register a workstation. Raises TunnelError."""
        if not pending.base_url:
            raise InvalidPayload("A workstation registers on a socket of its own")  # this was a client's
        if key_id_of(said.auth_key):
            raise InvalidPayload(
                "The workstation.register message is not valid",
                {"payload.auth_key": "must not be a device key"},
            )
        arrival = self._claims.arrival(said)
        address = pending.wire.address
        if not pending.vouch():
            self.gate.admit_workstation(said.api_key, address, said.previous_tunnel_id)
        if await self._steered(pending, self._place(said)):
            return
        async with self.router.lock(said.previous_tunnel_id):
            if pending.gone:
                return  # it must not replace the socket that has come instead
            claim = await self._claims.register(said, self.gate.applicant(said, address), arrival)
            if claim.overtaken:
                self._supersede(pending, claim.record.tunnel_id)
                return
            self.gate.registered(claim.record.tunnel_id, address)
            await self._settle_keys(claim)
            home = await self.router.settle(claim.record, claim.previous, claim.new)
        if pending.gone:
            home.expect()
            return
        wire = pending.wire
        session = WorkstationSession(wire, self.limits, home, said.auth_key, self.superseded_sockets)
        wire.session = session
        wire.raise_message_limit()
        home.register(session, messages.registered(home.tunnel_id, pending.base_url, claim.restored))
        log.info("workstation registered", extra=session.named() | {"restored": claim.restored})

    async def _settle_keys(self, claim: Claim) -> None:
        """Revoke the device keys of the id's former owner; end the permission to change the key. Raises
        RegistrationFailed."""
        keys, tunnel_id = self.router.keys, claim.record.tunnel_id
        if keys is None:
            return
        try:
            if not claim.restored:
                await keys.forget_tunnel(tunnel_id)
            await keys.close_rekey(tunnel_id)
        except SendFailed:
            raise RegistrationFailed from None

    def _supersede(self, pending: PendingSession, tunnel_id: str) -> None:
        """Answer a registration that a later one has overtaken, as if it had come first."""
        if not pending.gone:
            pending.wire.send(messages.registered(tunnel_id, pending.base_url, True))
            pending.wire.raise_message_limit()
            self.superseded_sockets.add(tunnel_id, pending.wire)

    def connect(
        self, pending: PendingSession, said: Connection, request: bytes
    ) -> Coroutine[Any, Any, None] | None:
        """Connect a client to its tunnel, at once if its home is here. Return the work for any other. Raises
        TunnelError."""
        record, home = self._claims.current(said.tunnel_id), self.router.homes.get(said.tunnel_id)
        if record is None or record.home != self.me or home is None or home.frozen:
            return self._connect(pending, said, request)
        if key_id_of(said.auth_key):
            return self._connect(pending, said, request)  # the use of a device key may have to be stored
        if not pending.vouch():
            self.gate.admit_owner(record, [said.auth_key], pending.wire.address, said.device_id)
        self._attach(pending, said, home, request)
        return None

    async def _connect(self, pending: PendingSession, said: Connection, request: bytes) -> None:
        if not pending.vouch():
            await self.gate.authorise(said.tunnel_id, [said.auth_key], pending.wire.address, said.device_id)
        if await self._steered(pending, self._claims.home_of(said.tunnel_id)):
            return
        route = await self.router.route(said.tunnel_id)
        if not pending.gone:
            self._attach(pending, said, route, request)

    def _attach(self, pending: PendingSession, said: Connection, route: Home | Edge, request: bytes) -> None:
        wire = pending.wire
        client = self.client(wire, said, route)
        wire.session = client
        wire.raise_message_limit()
        route.attach(client, request)
        self.check_key(client)
        log.debug("client attached", extra=client.named() | {"here": isinstance(route, Home)})

    def client(self, wire: Wire, said: Connection, route: Home | Edge) -> ClientSession:
        """Return the session of a client whose key has been compared. Raises InvalidAuthKey if it has been
        revoked since, SendFailed if the home's worker knows no device keys yet."""
        client, keys = self._session(wire, said, route), self.router.keys
        entry = keys.admit(said.tunnel_id, said.auth_key, said.device_id) if keys else None
        if keys is not None and entry is not None:
            self._check_route(route)
            client.limit(entry.key_id, entry.scope, keys.ending(entry))
        return client

    def adopt(self, wire: Wire, said: Connection, route: Home | Edge) -> ClientSession:
        """Return the session of a client from another process; one whose key was revoked meanwhile may do
        nothing until ``DeviceSessions.check`` closes it."""
        client, key_id = self._session(wire, said, route), key_id_of(said.auth_key)
        keys = self.router.keys
        if key_id and keys is not None:
            entry = keys.get(said.tunnel_id, key_id)
            client.limit(key_id, entry.scope if entry else Scope.VIEW, keys.ending(entry) if entry else None)
        return client

    def _session(self, wire: Wire, said: Connection, route: Home | Edge) -> ClientSession:
        client = ClientSession(wire, self.limits, said, route, self)
        if self.router.audit is not None:
            client.audit = self.router.audit
            client.limit("", client.scope)
        return client

    def _check_route(self, route: Home | Edge) -> None:
        if isinstance(route, Edge) and not self.knows_keys(route.peer):
            raise SendFailed

    def knows_tunnel(self, tunnel_id: str) -> bool:
        """Return whether the directory holds the tunnel, by the copy here."""
        return self._claims.current(tunnel_id) is not None

    def _place(self, said: Registration) -> str:
        """Return the worker that a workstation should go to: its tunnel's home, or else the least loaded."""
        known = self._claims.home_of(said.previous_tunnel_id) if said.previous_tunnel_id else ""
        return known if known and self.alive(known) else self.migration.steering.least_loaded()

    async def _steered(self, pending: PendingSession, worker: str) -> bool:
        """Hand the socket to another worker, which gives it its role; return whether that was done."""
        if worker in ("", self.me) or pending.settled or pending.gone:
            return False
        return self.alive(worker) and await self.migration.steering.steer(pending, worker)

    def recognise(self, client: ClientSession, auth_key: str) -> bool:
        """Return whether this is the key that the client has connected with. Raises RateLimited."""
        caller = Caller(client.wire.address, client.tunnel_id, client.device_id)
        return self.gate.recognise(caller, auth_key, client.auth_key)

    def turn_away(self, client: ClientSession, text: bytes) -> None:
        """Send a client an error; its socket has no role any more."""
        client.route.detach(client)
        client.wire.session = self.pending_session(client.wire, "")
        client.wire.lower_message_limit()
        client.wire.send(text)

    def rejoin(self, client: ClientSession, found: Head, text: bytes) -> None:
        """Connect a client, which waits for its workstation, once more on the same socket."""
        client.route.detach(client)
        pending = client.wire.session = self.pending_session(client.wire, "")
        client.wire.lower_message_limit()
        pending.handle(Act.CONNECT, found, text)

    def pending_session(self, wire: Any, base_url: str) -> PendingSession:
        """Return the session of a socket without a role."""
        return PendingSession(wire, self.limits, self, base_url)

    # Watches

    async def authorise(
        self,
        tunnel_id: str,
        auth_keys: list[str],
        address: str,
        device_id: str | None = None,
        kind: str = "watch",
    ) -> str:
        """Return the one of the keys that is right. Raises TunnelError."""
        return await self.gate.authorise(tunnel_id, auth_keys, address, device_id, kind)

    async def call(self, tunnel_id: str, call: Call) -> dict[str, Any]:
        """Run a watch's call at the tunnel's home; return its answer. Raises TunnelError."""
        left = call.wait if isinstance(call, Messages) else 0.0
        while True:
            # A long wait is cut into short ones: meanwhile the home may move, or this worker may end.
            wait = 0.0 if self.leaving else min(left, WAIT_SLICE_SECONDS)
            left -= wait
            if isinstance(call, Messages):
                call = replace(call, wait=wait)
            answer = await self._call_once(tunnel_id, call)
            if left <= 0 or self.leaving or has_news(answer):
                return answer

    async def _call_once(self, tunnel_id: str, call: Call) -> dict[str, Any]:
        try:
            async with running_clock().timeout(CALL_SECONDS):
                while True:
                    try:
                        route = await self.router.route(tunnel_id)
                        if key_id_of(call.auth_key):
                            self._check_route(route)
                        return await route.call(call)
                    except WatchesMoved:
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise SendFailed from None


def has_news(answer: dict[str, Any]) -> bool:
    """Return whether a poll that waits is to be answered now."""
    return bool(answer.get("may_have_missed_messages")) or answer.get("messages_json", "") != "[]"
