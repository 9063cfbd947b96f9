"""Metrics over HTTP: at ``/metrics`` with the token, and on a port of their own.

Every worker serves the totals of all workers.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable

from pydantic import SecretStr
from sanic import Blueprint, Request
from sanic.response import HTTPResponse

from tiflis.clock import running_clock
from tiflis.protocol.errors import TunnelError
from tiflis.web.health import READ
from tiflis.web.replies import error
from tiflis.web.status_page import Admit, presented, refusal

log = logging.getLogger(__name__)

PATH = "/metrics"
_ASK = {"WWW-Authenticate": "Bearer"}
HEADER_SECONDS = 5.0
HEADER_BYTES = 8192
BACKLOG = 16
_NO_HEADER = (asyncio.IncompleteReadError, asyncio.LimitOverrunError)

Page = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Given the ``Accept`` header: text and content type."""


def metrics_routes(
    page: Page, token: SecretStr | None, address: Callable[[Request], str], admit: Admit
) -> Blueprint:
    """Return the route ``/metrics``, which is 404 without a token. ``address``, ``admit``: as for
    ``/status``."""
    routes = Blueprint("metrics")

    async def metrics(request: Request) -> HTTPResponse:
        if token is None:
            return error(404)
        try:
            admit("metrics", presented(request), token.get_secret_value(), address(request))
            text, content_type = await page(request.headers.get("accept", ""))
        except TunnelError as problem:
            return refusal(problem, _ASK)
        return HTTPResponse(text, 200, {"Cache-Control": "no-store"}, content_type)

    routes.add_route(metrics, PATH, methods=READ)
    return routes


class MetricsPort:
    """``GET /metrics`` alone, on an address that all workers of this server listen on together."""

    def __init__(self, host: str, port: int, page: Page) -> None:
        self._host, self._port, self._page = host, port, page
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. If the address cannot be used, log that; the server works without this port."""
        try:
            self._server = await asyncio.start_server(
                self._serve, sock=_shared(self._host, self._port), backlog=BACKLOG, limit=HEADER_BYTES
            )
        except OSError as problem:
            log.error("metrics cannot be served", extra={"port": self._port, "reason": problem.strerror})

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, TimeoutError, ValueError, *_NO_HEADER):
                async with running_clock().timeout(HEADER_SECONDS):
                    header = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(header.decode("latin-1")))
                async with running_clock().timeout(HEADER_SECONDS):
                    await writer.drain()
        except Exception:  # the outermost frame of a connection
            log.exception("metrics cannot be told")
        finally:
            writer.close()

    async def _answer(self, header: str) -> bytes:
        lines = header.split("\r\n")
        method, target = (*lines[0].split(" "), "", "")[:2]
        if target.partition("?")[0] != PATH:
            return _response("404 Not Found", b"", "text/plain", method)
        if method not in READ:
            return _response("405 Method Not Allowed", b"", "text/plain", method)
        fields = dict(line.lower().split(":", 1) for line in lines[1:] if ":" in line)
        try:
            text, content_type = await self._page(fields.get("accept", "").strip())
        except TunnelError:
            return _response("503 Service Unavailable", b"", "text/plain", method)
        return _response("200 OK", text, content_type, method)


def _response(status: str, body: bytes, content_type: str, method: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)


def _shared(host: str, port: int) -> socket.socket:
    """Return a listener. The kernel distributes connections over the workers, also in a rolling restart."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
