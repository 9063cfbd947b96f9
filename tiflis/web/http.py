"""Sanic as we run it: limits from the settings, a header deadline that holds, requests that always parse."""

import gc
import re
import time
from asyncio import CancelledError
from typing import Any, cast

from sanic import Request, Sanic
from sanic.exceptions import BadRequest
from sanic.http import Http
from sanic.http.constants import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from tiflis.clock import running_clock
from tiflis.config import Settings

HEADER_LIMIT = 16_384  # bytes of a request's header; the keys of a watch fit into its query many times
HTTP_SHARE = 0.4  # of the time to shut down: for requests under way
BODY_MARGIN = 1024  # bytes: the watch API's own limit answers before Sanic's does
_LENGTHS = {10: re.compile(r"[0-9]{1,19}"), 16: re.compile(r"[0-9a-fA-F]{1,16}")}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_STAND_IN = "NONE"  # Sanic's method of the request it makes up to answer one that it could not read


class SoundRequest(Request):
    """A request for which an answer can be made even when its URL cannot be parsed."""

    def __init__(
        self, url_bytes: bytes, headers: Any, version: str, method: str, *args: Any, **more: Any
    ) -> None:
        super().__init__(b"*" if method == _STAND_IN else url_bytes, headers, version, method, *args, **more)

    async def receive_body(self) -> None:
        """Reads the body; that of a GET means nothing (RFC 9110, 9.3.1) and is not kept in memory."""
        if self.method not in ("GET", "HEAD"):
            await super().receive_body()  # type: ignore[no-untyped-call]  # Sanic's
        else:
            async for _ in cast(Any, self.stream):
                pass


class StrictHttp(Http):
    """HTTP/1.1 whose messages end where other readers see their end: a proxy in front that read a length in
    another way could be made to pass a hidden request on (RFC 9112, 11.2)."""

    @staticmethod
    def _safe_int(value: str, base: int = 10) -> int:
        """Read a length: digits alone, where Python's ``int`` takes a sign, ``0x``, ``_`` and space."""
        if not _LENGTHS[base].fullmatch(value.strip(" \t") if base == 10 else value):
            raise ValueError("not a length")
        return int(value, base)

    async def http1_request_header(self) -> None:
        """Read a request's header. Raises BadRequest for a name that other readers may take for another."""
        await super().http1_request_header()  # type: ignore[no-untyped-call]  # Sanic's
        if not all(_NAME.fullmatch(name) for name in self.request.headers):
            raise BadRequest("Bad header name")

    async def read(self) -> bytes | None:
        """Return a part of the body. Raises BadRequest for a chunk that does not end where it said."""
        body: object = self.request_body
        if self.request_bytes_left == 0 and body == "chunked":
            while len(self.recv_buffer) < 2:
                await self._receive_more()
            if self.recv_buffer[:2] != b"\r\n":
                self.keep_alive = False
                raise BadRequest("Bad chunked encoding")
        return await super().read()


class PatientHttp(HttpProtocol):
    """HTTP/1.1 whose header has one deadline: Sanic's own starts again with every byte that trickles in.

    No deadline of it passes while this process stands still. A peer that has ended its side still gets the
    answer to what it asked.
    """

    HTTP_CLASS = StrictHttp
    __slots__ = ("_ended", "_paused")
    _paused: float  # what this process had stood still for at the last look

    def connection_made(self, transport: Any) -> None:
        """Begins with the connection's deadlines."""
        self._ended = False  # nothing more comes
        self._paused = running_clock().paused
        super().connection_made(transport)  # type: ignore[no-untyped-call]  # Sanic's

    def check_timeouts(self) -> None:
        """Ends a request, or the idle connection, that takes too long."""
        paused = running_clock().paused
        self._time = min(time.monotonic(), self._time + paused - self._paused)
        self._paused = paused
        super().check_timeouts()  # type: ignore[no-untyped-call]  # Sanic's

    def data_received(self, data: bytes) -> None:
        """Takes in bytes; those of a header under way do not count as progress."""
        since = self._time
        http = getattr(self, "_http", None)  # set by the connection's task, which may not have run yet
        super().data_received(data)
        if http is not None and http.stage is Stage.REQUEST:
            self._time = since

    def eof_received(self) -> bool:
        """Keep the connection until what has been asked is answered."""
        self._ended = True
        self._data_received.set()  # who waits for more is to see it
        return True

    async def receive_more(self) -> None:
        """Wait for more. Raises CancelledError where nothing more can come, which closes the connection."""
        if self._ended:
            raise CancelledError
        await super().receive_more()  # type: ignore[no-untyped-call]  # Sanic's
        if self._ended and not self.recv_buffer:
            raise CancelledError


def configure(app: Sanic[Any, Any], settings: Settings) -> None:
    """Sets Sanic's limits, and of its extensions leaves only HEAD for every GET route."""
    # Sanic looks at half the shortest time-out, so a header is cut off at the latest in 1.5 times its own.
    app.config.REQUEST_TIMEOUT = settings.header_timeout / 1.5
    app.config.RESPONSE_TIMEOUT = settings.watch_wait_limit + settings.body_timeout
    app.config.KEEP_ALIVE_TIMEOUT = settings.keep_alive
    app.config.REQUEST_MAX_SIZE = settings.watch_body_limit + BODY_MARGIN
    app.config.REQUEST_MAX_HEADER_SIZE = HEADER_LIMIT
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = settings.shutdown_timeout * HTTP_SHARE
    app.config.ACCESS_LOG = settings.access_log
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.update(
        CORS=False, OAS=False, HEALTH=False, LOGGING=False, HTTP_ALL_METHODS=False, HTTP_AUTO_OPTIONS=False
    )


def stop_accepting() -> None:
    """Close this process's copy of the listening socket; the other workers go on accepting.

    Sanic has no handle on its server object, so it is looked up among all objects.
    """
    gc.unfreeze()  # what is frozen is not listed
    for candidate in gc.get_objects():
        kind = type(candidate)
        if kind.__name__ == "Server" and kind.__module__ in ("uvloop.loop", "asyncio.base_events"):
            candidate.close()
