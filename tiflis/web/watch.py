"""The watch API over HTTP (protocol, section 4): checks each call and passes it to the tunnel's home."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import msgspec
from sanic import Blueprint, HTTPResponse, Request

from tiflis.protocol.errors import InvalidAuthKey, InvalidPayload
from tiflis.relay.pinned import Pinned
from tiflis.relay.watch import reading
from tiflis.relay.watch.calls import Call, Command, Connect, Disconnect, Messages, State
from tiflis.web import large_body
from tiflis.web.api_errors import answered
from tiflis.web.unread import Unread
from tiflis.web.watch_body import Bodies
from tiflis.web.watch_parameters import (
    NOT_ITS_OWN,
    Credentials,
    Query,
    check_message,
    read_poll,
    read_query,
)

PREFIX = "/api/v1/watch"

_dumps = msgspec.json.Encoder().encode


class WatchLimits(NamedTuple):
    body: int = 64 * 1024 * 1024  # bytes: 45 MiB of voice in base64
    wait: float = 25.0  # seconds, below the 30 of common proxies
    bodies: int = 128 * 1024 * 1024  # bytes of one address's bodies in which no key has arrived yet


class WatchGate(Protocol):
    """The worker as these handlers use it; both raise errors of ``tiflis.protocol.errors``."""

    @property
    def pinned(self) -> Pinned:
        """Return the ledger of this worker."""

    async def authorise(self, tunnel_id: str, auth_keys: list[str], address: str, device_id: str) -> str:
        """Return the right key. Raise for no such tunnel (404), a wrong key (401 or 429) and a directory that
        is not complete yet (503). Several keys are readings of one, and count as one attempt."""

    async def call(self, tunnel_id: str, call: Call) -> dict[str, Any]:
        """Run a call at the tunnel's home, in any worker. Its ``wait`` is added to the usual deadline."""


def watch_routes(
    gate: WatchGate, address: Callable[[Request], str], limits: WatchLimits | None = None
) -> Blueprint:
    """Return the routes below PREFIX. ``address`` returns a client's address, behind trusted proxies."""
    routes = Blueprint("watch", url_prefix=PREFIX)
    api = _WatchApi(gate, address, limits or WatchLimits())
    for name in ("connect", "command", "disconnect"):
        routes.add_route(answered(getattr(api, name)), f"/{name}", methods=["POST"], name=name, stream=True)
    for name in ("messages", "state"):
        routes.add_route(answered(getattr(api, name)), f"/{name}", methods=["GET", "HEAD"], name=name)
    return routes


def _reply(text: bytes) -> HTTPResponse:
    return HTTPResponse(text, 200, {"Cache-Control": "no-store"}, "application/json")


class _WatchApi:
    def __init__(self, gate: WatchGate, address: Callable[[Request], str], limits: WatchLimits) -> None:
        self._gate = gate
        self._address = address
        self._limits = limits
        self._bodies = Bodies(gate.pinned, self._authorise, limits.body, limits.bodies)
        self._unread = Unread()

    async def connect(self, request: Request) -> HTTPResponse:
        async with self._body(request) as (credentials, _):
            return _reply(_dumps(await self._call(request, Connect, credentials)))

    async def command(self, request: Request) -> HTTPResponse:
        async with self._body(request) as (credentials, message):
            found = await reading.head(message, binary=True) if message else None
            auth_key = check_message(message, credentials.device_id, found)
            if auth_key is not None:
                await self._check_auth(request, credentials, auth_key)
            return _reply(_dumps(await self._call(request, Command, credentials, text=message)))

    async def _check_auth(self, request: Request, credentials: Credentials, auth_key: str) -> None:
        """Compare the key in an ``auth`` message like any other key (protocol, section 3.2)."""
        tunnel_id, _, device_id = credentials
        try:
            await self._gate.authorise(tunnel_id, [auth_key], self._address(request), device_id)
        except InvalidAuthKey:
            raise InvalidPayload(NOT_ITS_OWN) from None

    async def disconnect(self, request: Request) -> HTTPResponse:
        async with self._body(request) as (credentials, _):
            return _reply(_dumps(await self._call(request, Disconnect, credentials)))

    async def messages(self, request: Request) -> HTTPResponse | None:
        query = Query(request.query_string)
        credentials = read_query(query, request.headers)
        poll = read_poll(query, self._limits.wait)
        if request.method == "HEAD":
            poll = poll._replace(wait=0.0)
        answer = await self._call(request, Messages, credentials, **poll._asdict())
        self._unread.replace((credentials.tunnel_id, credentials.device_id))
        waiting: str = answer.pop("messages_json")
        # The messages are JSON already; decoding and encoding them again could change digits of numbers.
        reply = _reply(b'{"messages":' + waiting.encode() + b"," + _dumps(answer)[1:])
        del waiting  # an answer that waits to be read is kept once
        device, account = (credentials.tunnel_id, credentials.device_id), self._gate.pinned.account
        if await self._unread.write(request, device, account(credentials.tunnel_id), reply):
            return None
        return reply

    async def state(self, request: Request) -> HTTPResponse:
        credentials = read_query(Query(request.query_string), request.headers)
        return _reply(_dumps(await self._call(request, State, credentials)))

    async def _call(
        self, request: Request, kind: Callable[..., Call], credentials: Credentials, **more: Any
    ) -> dict[str, Any]:
        tunnel_id, auth_keys, device_id = credentials
        auth_key = await self._gate.authorise(tunnel_id, auth_keys, self._address(request), device_id)
        return await self._gate.call(tunnel_id, kind(device_id, auth_key, **more))

    async def _authorise(self, request: Request, credentials: Credentials) -> None:
        tunnel_id, auth_keys, device_id = credentials
        await self._gate.authorise(tunnel_id, auth_keys, self._address(request), device_id)

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[tuple[Credentials, bytes]]:
        """Yield the credentials and the raw ``message``, which count in the ledger until the block ends."""
        found, body, held = await self._bodies.read(request, self._address(request))
        async with held:
            yield await large_body.read(body, found)
