"""The WebSocket endpoint: an ordinary route that answers 101 and takes the transport over."""

import base64
import binascii
import hashlib
import logging
from collections.abc import Callable
from typing import Any, cast

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json

from tiflis.config import Settings
from tiflis.protocol.errors import TunnelError
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.sessions.session import Wire
from tiflis.values import origin
from tiflis.web.access_log import log_request
from tiflis.web.address import Addresses
from tiflis.web.handshake import Handshake, read
from tiflis.web.sanic_internals import leave_sanic
from tiflis.web.socket import WebSocket
from tiflis.web.sockets import Sockets

log = logging.getLogger(__name__)

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
VERSION = "13"  # RFC 6455, 4.1: the only one


class Refused(Exception):
    """The request is not an acceptable handshake; ``response`` contains the reason."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        body = {"error": message, "code": "UPGRADE_REFUSED"}
        self.response = json(body, status=status, headers=headers)


class Endpoint:
    """The WebSocket endpoint of this worker."""

    def __init__(
        self, settings: Settings, sockets: Sockets, pending_session: Callable[[Wire, str], PendingSession]
    ) -> None:
        """``pending_session`` makes the session of a new socket from it and the URL that the peer used."""
        self._settings, self._sockets, self._pending_session = settings, sockets, pending_session
        self._addresses = Addresses(settings)

    async def handle(self, request: Request) -> HTTPResponse | None:
        """Answer the handshake; afterwards the connection is no longer Sanic's."""
        try:
            key = self._check(request)
        except Refused as refused:
            return refused.response
        protocol = cast(Any, request.protocol)
        early = bytes(protocol.recv_buffer)
        protocol.recv_buffer.clear()
        leave_sanic(protocol)
        socket = self._take_over(request, key, early)
        if request.app.config.ACCESS_LOG:
            log_request(request, 101, connection=socket.connection_id)
        transport = cast(Any, request.transport)
        if not transport.is_closing() and not socket.paused:
            transport.resume_reading()  # Sanic may have paused it
        return None

    def take(self, asked: Handshake, early: bytes) -> bool:
        """Take over a connection with a plain handshake; return False if it has to be refused.

        ``early``: bytes that arrived behind it."""
        try:
            key = self._check(asked)
        except Refused:
            return False
        self._take_over(asked, key, early)
        return True

    def _check(self, request: Request | Handshake) -> str:
        """Return the handshake's key (RFC 6455, 4.2.1). Raise Refused."""
        headers = request.headers
        if request.method != "GET":  # Sanic serves HEAD wherever there is a GET
            raise Refused(405, "A WebSocket is opened with GET", {"Allow": "GET"})
        if headers.get("upgrade", "").lower() != "websocket" or not _names(headers, "connection", "upgrade"):
            raise Refused(
                426, "This is a WebSocket endpoint", {"Upgrade": "websocket", "Connection": "Upgrade"}
            )
        if headers.get("sec-websocket-version") != VERSION:
            raise Refused(426, "WebSocket version 13 is required", {"Sec-WebSocket-Version": VERSION})
        key = headers.get("sec-websocket-key", "")
        if not _is_key(key):
            raise Refused(400, "Sec-WebSocket-Key must be 16 bytes in base64")
        origins, given = self._settings.allowed_origins, headers.get("origin")
        if origins is not None and given is not None and origin(given) not in origins:
            raise Refused(403, "This origin may not connect")
        if self._sockets.draining:
            raise Refused(503, "The server is shutting down", {"Retry-After": "1"})
        return key

    def _take_over(self, request: Request | Handshake, key: str, early: bytes) -> WebSocket:
        """Make the transport's new protocol, and return it. ``early``: bytes behind the request, its first
        frames."""
        transport = cast(Any, request.transport)
        socket = self._sockets.make(self._addresses.client(request))
        socket.session = self._pending_session(cast(Wire, socket), self._addresses.public_url(request))
        transport.set_protocol(socket)
        socket.connection_made(transport)
        socket.outbox.write_first(_accepted(key))
        socket.bytes_counted = socket.outbox.written  # the answer is no traffic of the tunnel's
        self._sockets.opened()
        log.debug("socket opened", extra={"connection": socket.connection_id, "address": socket.address})
        if early:
            socket.data_received(early)
        return socket


def _accepted(key: str) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _names(headers: Any, name: str, token: str) -> bool:
    listed = ",".join(headers.getall(name, []))
    return token in (part.strip().lower() for part in listed.split(","))


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def add_route(app: Sanic[Any, Any], path: str, endpoint: Callable[[], Endpoint]) -> None:
    """Serve the endpoint at exactly ``path``; ``endpoint`` is called for each request."""

    async def websocket(request: Request) -> HTTPResponse | None:
        try:
            serving = endpoint()
        except TunnelError as problem:
            return Refused(problem.http_status, "The server is starting", {"Retry-After": "1"}).response
        return await serving.handle(request)

    # Without this mark Sanic treats the missing response as a bug.
    websocket.is_websocket = True  # type: ignore[attr-defined] # Sanic's own mark
    app.add_route(websocket, path, methods=["GET"], strict_slashes=True, name="websocket")
    app.ctx.plain_upgrade = PlainUpgrade(app, path, endpoint)


class PlainUpgrade:
    """Lets plain handshakes bypass Sanic's request, router and task, which cost more than the upgrade itself.

    With a request middleware or the access log, all handshakes go through Sanic.
    """

    def __init__(self, app: Sanic[Any, Any], path: str, endpoint: Callable[[], Endpoint]) -> None:
        self._app, self._path, self._endpoint = app, path, endpoint

    def take(self, transport: Any, data: bytes) -> bool:
        """Take over a connection if its first bytes are a plain handshake; return False to leave it to
        Sanic."""
        seen = self._app.request_middleware or self._app.config.ACCESS_LOG
        found = None if seen else read(data, self._path)
        if found is None:
            return False
        headers, early = found
        try:
            return self._endpoint().take(Handshake(headers, transport), early)
        except TunnelError:
            return False  # the server is starting
