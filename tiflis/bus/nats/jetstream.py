"""Requests over a link, and the few calls of JetStream's interface that directory and watches need."""

import asyncio
import json
import secrets
from collections import deque
from functools import partial
from typing import Any, NamedTuple

import msgspec

from tiflis.bus.errors import BusError, LinkUnavailable, NoResponders
from tiflis.bus.nats.client import ConnectionListener, NatsClient
from tiflis.clock import running_clock

_NO_RESPONDERS = b"NATS/1.0 503"
NOT_FOUND = 404
# Requests under way at one time. When all workstations of many workers come back at once, JetStream's line
# must stay shorter than the askers' patience: it would answer only those who have given up. The others wait
# here, where giving up costs nothing.
AT_ONCE = 32

Document = dict[str, Any]


class StoreRefused(BusError):
    """JetStream answered with an error: its HTTP-like `code`, and the finer `reason` (err_code)."""

    def __init__(self, error: Document) -> None:
        self.code = int(error.get("code", 0))
        self.reason = int(error.get("err_code", 0))
        super().__init__(str(error.get("description") or f"refused with code {self.code}"))


class _Request(NamedTuple):
    """A request that waits to be sent."""

    subject: str
    reply: str
    headers: bytes
    payload: bytes
    answer: asyncio.Future[bytes]


class Requests:
    """Requests with one answer each, over one inbox."""

    def __init__(self, link: NatsClient) -> None:
        self._link = link
        self._inbox = f"_INBOX.{secrets.token_hex(11)}"
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}  # for an answer, by reply subject
        self._queue: deque[_Request] = deque()
        self._last = 0
        link.subscribe_whole(f"{self._inbox}.*", self._answered)
        link.listen(ConnectionListener(on_down=self._link_down))

    def new_inbox(self) -> str:
        """Return a new, random subject of our own."""
        return f"_INBOX.{secrets.token_hex(11)}"

    async def ask(self, subject: str, payload: bytes, seconds: float, headers: bytes = b"") -> bytes:
        """Return the answer. Raise LinkUnavailable while disconnected, without a responder, or after
        `seconds`."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        late = running_clock().deadline(seconds, partial(_fail, answer, "no answer in time"))
        self._last += 1
        reply = f"{self._inbox}.{self._last}"
        self._queue.append(_Request(subject, reply, headers, payload, answer))
        self._submit()
        try:
            return await answer
        finally:
            late.cancel()
            if self._waiting.pop(reply.encode(), None) is not None:
                self._submit()

    def _submit(self) -> None:
        """Send as many requests as there is room for."""
        while self._queue and len(self._waiting) < AT_ONCE:
            subject, reply, headers, payload, answer = self._queue.popleft()
            size = len(headers) + len(payload)
            if answer.done():
                continue
            if not self._link.up:
                _fail(answer, "the bus is away")
            elif not self._link.fits(subject, size):
                _fail(answer, f"more than the {self._link.max_payload} bytes that the bus takes at once")
            else:
                self._waiting[reply.encode()] = answer
                self._link.publish_whole(subject, reply, headers, payload)

    def _answered(self, subject: bytes, _reply: bytes, headers: bytes, payload: bytes) -> None:
        answer = self._waiting.get(subject)
        if answer is None or answer.done():
            return
        if headers.startswith(_NO_RESPONDERS):
            answer.set_exception(NoResponders("JetStream is not there, at least not for our account"))
        else:
            answer.set_result(payload)

    def _link_down(self) -> None:
        for answer in self._waiting.values():
            _fail(answer, "the bus went away")


def _fail(answer: asyncio.Future[bytes], reason: str) -> None:
    if not answer.done():
        answer.set_exception(LinkUnavailable(reason))


class _Stored(msgspec.Struct):
    """JetStream's answer to a message."""

    seq: int = 0
    error: Document | None = None


_stored = msgspec.json.Decoder(_Stored)


class JetStream:
    """JetStream's JSON interface."""

    def __init__(self, link: NatsClient) -> None:
        self.requests = Requests(link)

    async def call(self, name: str, request: Document, seconds: float) -> Document:
        """Make one call of the interface. Raise StoreRefused or LinkUnavailable."""
        payload = json.dumps(request).encode() if request else b""
        return _result(await self.requests.ask(f"$JS.API.{name}", payload, seconds))

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str], seconds: float) -> int:
        """Store a message; return its sequence in the stream. Raise StoreRefused or LinkUnavailable."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        block = f"NATS/1.0\r\n{lines}\r\n".encode() if lines else b""
        stored = _stored.decode(await self.requests.ask(subject, payload, seconds, block))
        if stored.error is not None:
            raise StoreRefused(stored.error)
        return stored.seq


def _result(answer: bytes) -> Document:
    document: Document = json.loads(answer)
    if "error" in document:
        raise StoreRefused(document["error"])
    return document


def header(headers: bytes, name: str) -> str | None:
    """Return one header of a message in its wire form, or None."""
    for line in headers.decode("utf-8", "replace").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name.lower():
            return value.strip()
    return None
