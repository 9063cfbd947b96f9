"""One connection to a NATS server: its text protocol, without a task or a future for each message."""

import asyncio
import json
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from tiflis.bus.errors import LinkUnavailable

Handler = Callable[[bytes, bytes], None]
"""Called with subject and payload, inside the loop turn in which they were read."""
WholeHandler = Callable[[bytes, bytes, bytes, bytes], None]
"""The same with subject, reply subject, headers and payload."""

log = logging.getLogger(__name__)

# The transport asks us to pause above this: small messages then wait behind 1 MiB at most (1 ms on loopback).
WRITE_HIGH = 1024 * 1024
WRITE_LOW = 256 * 1024
# While the server reads nothing, what is published beyond this is dropped, as NATS itself would.
WRITE_CAP = 16 * 1024 * 1024
# Below this copying into one write is cheaper than a vectored one.
JOIN_BELOW = 256 * 1024

_HMSG = ord("H")
_MESSAGES = (ord("M"), _HMSG)
_PING, _PONG = b"PING", b"PONG"


class Owner(Protocol):
    """The NATS client, which is notified of what happens on a connection."""

    def informed(self, info: dict[str, Any]) -> None: ...
    def writable_again(self) -> None: ...
    def refused(self, text: str) -> None: ...


class Refused(LinkUnavailable):
    """The server ended the connection with this reason, such as an authorization violation."""


class NatsProtocol(asyncio.Protocol):
    """Parses what the server sends and calls the handlers; makes one write of what we send in a loop turn."""

    def __init__(
        self, owner: Owner, handlers: dict[bytes, Handler], whole_handlers: dict[bytes, WholeHandler]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._owner = owner
        self._handlers = handlers
        self._whole_handlers = whole_handlers
        self._out: list[bytes | memoryview] = []
        self._scheduled = False
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0
        self._transport: asyncio.Transport | None = None
        self._pongs: deque[asyncio.Future[None] | None] = deque()
        self.paused = False
        self.unanswered = 0
        self.info: asyncio.Future[dict[str, Any]] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.refusal = ""

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.use(cast(asyncio.Transport, transport))  # uvloop's is one in all but name
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def use(self, transport: asyncio.Transport) -> None:
        """Write here from now on (again after the switch to TLS)."""
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH, low=WRITE_LOW)

    @property
    def transport(self) -> asyncio.Transport:
        if self._transport is None:
            raise LinkUnavailable("not connected")
        return self._transport

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self.refusal or (type(exc).__name__ if exc else "closed by the server")
        if not self.lost.done():
            self.lost.set_result(reason)
        self._fail(self.info, reason)
        while self._pongs:
            if (waiter := self._pongs.popleft()) is not None:
                self._fail(waiter, reason)

    def _fail(self, waiter: asyncio.Future[Any], reason: str) -> None:
        if not waiter.done():
            waiter.set_exception(Refused(reason) if self.refusal else LinkUnavailable(reason))
            waiter.exception()  # marks it as retrieved: the waiter may be gone

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._owner.writable_again()

    def data_received(self, data: bytes) -> None:
        self.unanswered = 0
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        try:
            rest, self._need = self._parse(data)
        except (ValueError, IndexError):
            # What follows could be a payload or a command: begin again on a new connection.
            self.refusal = "malformed line from the server"
            self.transport.abort()
            return
        if rest < len(data):
            tail = data[rest:]
            self._parts.append(tail)
            self._have = len(tail)

    def _parse(self, data: bytes) -> tuple[int, int]:
        """Handles all that is whole; returns where the rest begins and how long it must get at least."""
        pos, end, handlers = 0, len(data), self._handlers
        while pos < end:
            line_end = data.find(b"\r\n", pos)
            if line_end < 0:
                break
            first = data[pos]
            if first in _MESSAGES:
                words = data[pos:line_end].split(b" ")
                start = line_end + 2
                stop = start + int(words[-1])
                if stop < start:
                    raise ValueError("a negative size")
                if stop + 2 > end:
                    return pos, stop + 2 - pos
                pos = stop + 2
                body = start + int(words[-2]) if first == _HMSG else start
                handler = handlers.get(words[2])
                try:
                    if handler is not None:
                        handler(words[1], data[body:stop])
                    else:
                        self._whole(words, data[start:body], data[body:stop])
                except Exception:  # outermost frame: a handler's mistake must not cost the link
                    log.exception("bus handler failed")
            else:
                line = data[pos:line_end]
                pos = line_end + 2
                self._control(line)
        return pos, 0

    def _whole(self, words: list[bytes], headers: bytes, payload: bytes) -> None:
        handler = self._whole_handlers.get(words[2])
        if handler is not None:
            sizes = 2 if headers else 1
            reply = words[3] if len(words) == 4 + sizes else b""
            handler(words[1], reply, headers, payload)

    def _control(self, line: bytes) -> None:
        if line == _PING:
            self.write(b"PONG\r\n")
        elif line == _PONG:
            waiter = self._pongs.popleft() if self._pongs else None
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        elif line.startswith(b"INFO "):
            info = json.loads(line[5:])
            if not isinstance(info, dict):
                raise ValueError("INFO without an object")
            if not self.info.done():
                self.info.set_result(info)
            self._owner.informed(info)
        elif line.startswith(b"-ERR"):
            self._refused(line[4:].strip().strip(b"'").decode("utf-8", "replace"))

    def _refused(self, text: str) -> None:
        self.refusal = text or "refused without a reason"
        self._owner.refused(self.refusal)

    # -- our side

    def write(self, data: bytes) -> None:
        """Goes out with everything else of this loop turn."""
        self._out.append(data)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush_writes)

    def publish(self, subject: bytes, size: int, parts: list[bytes | memoryview]) -> bool:
        """Write one PUB of `size` bytes in parts; return False when it was dropped because the server reads
        nothing."""
        if self.paused and self.transport.get_write_buffer_size() > WRITE_CAP:
            return False
        out = self._out
        out.append(b"PUB %b %d\r\n" % (subject, size))
        out += parts
        out.append(b"\r\n")
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush_writes)
        return True

    def publish_whole(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        """Write one message with a reply subject, and headers unless they are empty."""
        size = len(headers) + len(payload)
        if headers:
            line = b"HPUB %b %b %d %d\r\n" % (subject, reply, len(headers), size)
        else:
            line = b"PUB %b %b %d\r\n" % (subject, reply, size)
        self.write(b"".join((line, headers, payload, b"\r\n")))

    def flush_writes(self) -> None:
        """Write what has been collected now. Harmless when nothing has."""
        self._scheduled = False
        out = self._out
        if not out or self.lost.done():
            return
        self._out = []
        if sum(map(len, out)) < JOIN_BELOW:
            self.transport.write(b"".join(out))
        else:
            self.transport.writelines(out)

    def ping(self, waiter: asyncio.Future[None] | None = None) -> None:
        """Ask for a PONG; `waiter` is done when it comes, after everything that was sent before."""
        self._pongs.append(waiter)
        self.unanswered += 1
        self.write(b"PING\r\n")
