"""Uses of Sanic's private parts, all in this file: check them with each new version of Sanic."""

import gc
import re
import secrets
import time
from asyncio import CancelledError, sleep
from functools import partial
from typing import Any, cast

from sanic import Request
from sanic.exceptions import BadRequest
from sanic.http import Http
from sanic.http.constants import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from tiflis.clock import running_clock
from tiflis.web.access_log import log_request

_LENGTHS = {10: re.compile(r"[0-9]{1,19}"), 16: re.compile(r"[0-9a-fA-F]{1,16}")}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
FIRST_BYTES_SECONDS = 1.0  # until Sanic begins with a connection on which nothing has come
SMALL_CHUNKS = 256  # of a body that may be of any size; above it they must have on average
LEAST_CHUNK = 512  # bytes
_STAND_IN = "NONE"  # Sanic's method of the request it makes up to answer one that it could not read


class SoundRequest(Request):
    """A request that can be answered even if its URL cannot be parsed."""

    def __init__(
        self, url_bytes: bytes, headers: Any, version: str, method: str, *args: Any, **more: Any
    ) -> None:
        super().__init__(b"*" if method == _STAND_IN else url_bytes, headers, version, method, *args, **more)

    @property
    def id(self) -> str:
        """Return the proxy's `X-Request-ID` if it is a valid one, else a new id."""
        if not self._id:
            given = self.headers.get("x-request-id", "")
            self._id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        return str(self._id)

    async def receive_body(self) -> None:
        """Read the body of a route that takes none, and keep nothing of it: it may be as large as any, and no
        key has been looked at yet. Routes that take one read it themselves, in parts."""
        async for _ in cast(Any, self.stream):
            pass


class StrictHttp(Http):
    """HTTP/1.1 with exact message ends: with a proxy that reads a length differently, a request could be
    smuggled (RFC 9112, 11.2)."""

    __slots__ = ("_chunks",)  # of this body so far

    @staticmethod
    def _safe_int(value: str, base: int = 10) -> int:
        """Return a length of digits only: Python's ``int`` also accepts a sign, ``0x``, ``_`` and space."""
        if not _LENGTHS[base].fullmatch(value.strip(" \t") if base == 10 else value):
            raise ValueError("not a length")
        return int(value, base)

    async def http1_request_header(self) -> None:
        """Read a request's header. Raise BadRequest for a name that other parsers may read differently."""
        self._chunks = 0
        if self.recv_buffer and self.protocol.state["requests_count"]:
            await sleep(0)  # of requests that come at once, each waits for a turn of the event loop
        await super().http1_request_header()  # type: ignore[no-untyped-call]  # Sanic's
        if not all(_NAME.fullmatch(name) for name in self.request.headers):
            raise BadRequest("Bad header name")

    async def read(self) -> bytes | None:
        """Return a part of the body. Raise BadRequest for a chunk that does not end where its length says, or
        too many tiny ones."""
        body: object = self.request_body
        if self.request_bytes_left == 0 and body == "chunked":
            self._count_chunk()
            while len(self.recv_buffer) < 2:
                await self._receive_more()
            if self.recv_buffer[:2] != b"\r\n":
                self.keep_alive = False
                raise BadRequest("Bad chunked encoding")
        return await super().read()

    def _count_chunk(self) -> None:
        """Count the chunk that begins. One of a byte costs as much to read as one of many, and its sender six
        bytes."""
        self._chunks += 1
        if self._chunks > SMALL_CHUNKS and (self.request_bytes or 0) < self._chunks * LEAST_CHUNK:
            self.keep_alive = False
            raise BadRequest("Chunks too small")

    def log_response(self) -> None:
        """Log an answered request, without a size if the body was sent in parts."""
        response: Any = self.response
        length = "0" if self.head_only else str(response.headers.get("content-length", ""))
        size = {"bytes": int(length)} if length.isdecimal() else {}
        seconds = time.perf_counter() - self.perft0 if self.perft0 is not None else None
        log_request(self.request, response.status, seconds, **size)


class PatientHttp(HttpProtocol):
    """HTTP/1.1 whose header has one deadline: Sanic's own starts again with every byte that trickles in.

    Its deadlines do not pass while this process is suspended. A peer that has closed its side still gets the
    answer to its request.
    """

    HTTP_CLASS = StrictHttp
    __slots__ = ("_begun", "_ended", "_options", "_paused")
    _paused: float  # seconds for which this process had been suspended until the last check

    def __init__(self, **options: Any) -> None:
        """Set the attributes that are needed before the first bytes; most connections are handshakes and need
        no others."""
        self._options, self._begun, self._ended = options, False, False
        self.loop, self.app = options["loop"], options["app"]
        self.connections: set[Any] = options["connections"]
        self.transport: Any = None
        self._callback_check_timeouts: Any = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the connection's first bytes; if none come, start Sanic's deadlines."""
        self.transport = transport
        self.connections.add(self)
        self._callback_check_timeouts = self.loop.call_later(FIRST_BYTES_SECONDS, self._begin)

    def _begin(self) -> None:
        """Start Sanic's task and deadlines for the connection."""
        transport, self._begun = self.transport, True
        self._no_timer()
        super().__init__(**self._options)
        self._paused = running_clock().paused
        super().connection_made(transport)  # type: ignore[no-untyped-call]  # Sanic's

    def _left(self, data: bytes) -> bool:
        """Return whether these first bytes were a handshake and the connection has left Sanic."""
        plain_upgrade = getattr(self.app.ctx, "plain_upgrade", None)
        if plain_upgrade is None or not plain_upgrade.take(self.transport, data):
            return False
        self._forget()
        return True

    def _forget(self) -> None:
        self.connections.discard(self)
        self._no_timer()
        self.transport = None

    def _no_timer(self) -> None:
        timer: Any = self._callback_check_timeouts
        if timer is not None:
            timer.cancel()
            self._callback_check_timeouts = None

    def close(self, timeout: float | None = None) -> None:
        """Close the connection once its output has left."""
        if self._begun:
            super().close(timeout)
        elif self.transport is not None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        if self._begun:
            super().connection_lost(exc)  # type: ignore[no-untyped-call]  # Sanic's
        else:
            self._forget()

    def log_disconnect(self) -> None:
        """Log a request whose connection ended before the answer."""
        http: Any = self._http
        if http.request is not None and http.response is None:
            log_request(http.request, None)

    def check_timeouts(self) -> None:
        """End a request, or an idle connection, that takes too long."""
        paused = running_clock().paused
        self._time = min(time.monotonic(), self._time + paused - self._paused)
        self._paused = paused
        super().check_timeouts()  # type: ignore[no-untyped-call]  # Sanic's

    def data_received(self, data: bytes) -> None:
        """Accept bytes; those of a header under way do not count as progress."""
        if not self._begun:
            if self._left(data):
                return
            self._begin()
        since = self._time
        http = getattr(self, "_http", None)  # set by the connection's task, which may not have run yet
        super().data_received(data)
        if http is not None and http.stage is Stage.REQUEST:
            self._time = since

    def eof_received(self) -> bool:
        """Keep the connection until the requests that have arrived are answered."""
        if not self._begun:
            return False  # nothing has been asked
        self._ended = True
        self._data_received.set()  # wake `receive_more`
        return True

    async def receive_more(self) -> None:
        """Wait for more bytes. If none can come any more, close the connection and raise CancelledError."""
        if not self._ended:
            await super().receive_more()  # type: ignore[no-untyped-call]  # Sanic's
            if not self._ended or self.recv_buffer:
                return
        transport: Any = self.transport
        if transport is not None:
            transport.close()  # answers that are written still go out; a request that is cut short has none
        raise CancelledError


def body_stream(request: Request, limit: int) -> Any:
    """Return the stream of a request's body; its `read` returns a part, and None at the end.

    Sanic refuses more than `limit` bytes. The route must be a streaming one.
    """
    stream: Any = request.stream
    stream.request_max_size = limit
    return stream


def more_body_expected(request: Request) -> bool:
    """Return whether more of the body is still to come."""
    stream: Any = request.stream
    return stream.request_body == "chunked" or bool(stream.request_bytes_left)


def leave_sanic(protocol: Any) -> None:
    """Detach a connection from Sanic: no timers, no draining, no closing when the handler returns."""
    protocol.connections.discard(protocol)
    protocol.transport = None
    if protocol._callback_check_timeouts is not None:
        protocol._callback_check_timeouts.cancel()
        protocol._callback_check_timeouts = None
    if protocol._task is not None:
        protocol._task.add_done_callback(partial(_untie, protocol._http))


def _untie(http: Any, _: object) -> None:
    """Break the reference cycle of a request's objects: collecting thousands of them at once takes long."""
    http.response_func = http.request = http._send = http._receive_more = http.protocol = None


def stop_accepting() -> None:
    """Close this process's copy of the listening socket; the other workers go on accepting.

    Sanic keeps no reference to its server object, so we search all objects for it.
    """
    gc.unfreeze()  # frozen objects are not listed
    for candidate in gc.get_objects():
        kind = type(candidate)
        if kind.__name__ == "Server" and kind.__module__ in ("uvloop.loop", "asyncio.base_events"):
            candidate.close()
