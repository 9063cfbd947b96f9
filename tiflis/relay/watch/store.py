"""The watch store: a tunnel's records in JetStream, which outlive the worker, fenced by the tunnel's head.

A tunnel has one *head*, changed only by compare-and-set, and any number of records beside it. Every home
writes its records under an epoch of its own, so that one that lost the tunnel without noticing does no
harm. All records expire by themselves.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

from nats.js import api

from tiflis.bus.errors import LinkUnavailable, NoResponders
from tiflis.bus.nats.client import ConnectionListener, NatsClient
from tiflis.bus.nats.jetstream import NOT_FOUND, Document, JetStream, StoreRefused
from tiflis.bus.storage import NO_ROOM, Allotment

log = logging.getLogger(__name__)

STREAM = "tiflis_watches"
SUBJECT = "tiflis.watch"
RECORD_TTL = 330.0  # seconds: the five minutes of a queued message, and some reserve
MOST_CHUNKS = 65535  # of a value: the limit of the count in its head
CHUNK = 128 * 1024  # bytes, less with a small max_payload: the directory's calls wait behind it
CHUNKS_UNDER_WAY = 12  # of one flush: 1.5 MiB before the directory's calls on the same connection
MAX_BYTES = 1 << 30  # of the whole stream, if the account has so much; then the oldest records go
ANSWER_TIMEOUT = 2.0  # seconds

DUPLICATE_WINDOW = 10.0  # seconds; unused, but the server's default may exceed the age of records
START_PATIENCE = 10.0  # seconds: a cluster needs some to elect a leader
RETRY = 0.2  # seconds

_WRONG_REVISION = (10071, 10164)
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_NO_STREAM = 10059
_BAD_REQUEST = 400
_HEADERS = 128  # bytes of the headers of a message, at most
_CHUNK_HEAD = struct.Struct(">QHH")  # which value, which chunk, how many


class StoreUnavailable(Exception):
    """The store did not answer, or refused; a retry is safe."""


class Refused(StoreUnavailable):
    """The store does not accept this record, also not on a retry; it may accept others."""


class NoRoom(Refused):
    """The store has no storage left for this record."""


class Fenced(Exception):
    """The head is no longer the one that this home wrote."""


class Head(NamedTuple):
    value: bytes
    revision: int


class Record(NamedTuple):
    """``age``: seconds between its writing and that of the head it was loaded under."""

    epoch: str
    name: str
    value: bytes
    revision: int
    age: float


class WatchStore(Protocol):
    """A watch store. All methods raise StoreUnavailable; names and epochs are ``[A-Za-z0-9_-]+``. ``room``:
    bytes that the store keeps for all tunnels; the oldest records are removed first."""

    @property
    def room(self) -> int: ...

    async def head(self, tunnel_id: str) -> Head | None:
        """Return the tunnel's head, or None for a tunnel without watches."""

    async def put_head(self, tunnel_id: str, value: bytes, revision: int) -> int:
        """Replace the head of that revision (0: there is none) and return the new revision. Raise Fenced."""

    async def put(self, tunnel_id: str, epoch: str, records: Iterable[tuple[str, bytes]]) -> set[str]:
        """Write records, in any order. On return all are stored, except those whose names are returned: they
        are too large for the bus or the store."""

    async def load(self, tunnel_id: str, before: int) -> list[Record]:
        """Return the tunnel's records that are older than the head of revision ``before``, oldest first."""

    async def drop(self, tunnel_id: str, epoch: str, name: str) -> None:
        """Delete a record before it expires."""


class Stored(NamedTuple):
    """A message of the stream."""

    subject: str
    revision: int
    time: float  # seconds since the epoch
    data: bytes


class JetStreamWatchStore:
    """The store over a connection that belongs to the caller. Its stream is made over one of its own."""

    def __init__(self, link: NatsClient, urls: str, name: str, ttl: float = RECORD_TTL) -> None:
        """``urls``: as NATS_URL. ``name``: of the connections that make the stream. ``ttl``: seconds; more
        than a watch may be silent and a message may wait."""
        self._link = link
        self._ttl = ttl
        self._jetstream = JetStream(link)
        self._allotment = Allotment(urls, name, MAX_BYTES)
        self._making: asyncio.Task[None] | None = None
        self._reconnected = False  # since the stream was last made
        link.listen(ConnectionListener(on_up=self._link_up))

    def _link_up(self) -> None:
        self._reconnected = True

    @property
    def room(self) -> int:
        return self._allotment.room

    async def start(self, patience: float = START_PATIENCE) -> None:
        """Make the stream or update its settings, with retries for ``patience`` seconds. Raise
        StoreUnavailable."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                return await self._make(patient=loop.time() - began < patience / 2)
            except StoreUnavailable:
                if loop.time() - began >= patience:
                    raise
                await asyncio.sleep(RETRY)

    async def _make(self, patient: bool = True) -> None:
        """Make the stream; callers that come meanwhile share one attempt. Raises StoreUnavailable."""
        self._reconnected = False
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._allotment.make(self._config(), patient))
            self._making.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.shield(self._making)
        except LinkUnavailable as error:
            raise StoreUnavailable(str(error)) from error

    def _config(self) -> api.StreamConfig:
        return api.StreamConfig(
            name=STREAM,
            subjects=[f"{SUBJECT}.>"],
            max_msgs_per_subject=1,
            max_age=self._ttl,
            discard=api.DiscardPolicy.OLD,
            storage=api.StorageType.FILE,
            duplicate_window=min(self._ttl, DUPLICATE_WINDOW),
        )

    async def relieve(self) -> None:
        """Remove the oldest records: the directory or this store could not write. Never raises."""
        try:
            await self._allotment.relieve(STREAM)
        except LinkUnavailable as error:
            log.warning("watch store cannot make room", extra={"reason": str(error)})

    async def head(self, tunnel_id: str) -> Head | None:
        # Asks the stream's leader: a follower may not know the newest head yet.
        found = await self._get({"last_by_subj": f"{SUBJECT}.{tunnel_id}.head"})
        if found is None:
            await self._look()  # the head may have been removed for lack of storage
            return None
        return Head(found.data, found.revision)

    async def _get(self, request: Document) -> Stored | None:
        """Read one message; None if there is none. Raises StoreUnavailable."""
        try:
            answer = await self._jetstream.call(f"STREAM.MSG.GET.{STREAM}", request, ANSWER_TIMEOUT)
        except StoreRefused as refused:
            if refused.code != NOT_FOUND:
                raise StoreUnavailable(str(refused)) from refused
            if refused.reason == _NO_STREAM:
                await self._make()
            return None
        except LinkUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        message = answer["message"]
        time = datetime.fromisoformat(message["time"]).timestamp()
        return Stored(message["subject"], message["seq"], time, base64.b64decode(message.get("data", "")))

    async def _look(self) -> None:
        with contextlib.suppress(StoreRefused, LinkUnavailable):
            info = await self._jetstream.call(f"STREAM.INFO.{STREAM}", {}, ANSWER_TIMEOUT)
            self._allotment.found(info["config"].get("max_bytes", -1))

    async def put_head(self, tunnel_id: str, value: bytes, revision: int) -> int:
        if self._allotment.may_grow or self._reconnected:
            await self._make()  # there may be more room now, or less
        return await self._publish(f"{SUBJECT}.{tunnel_id}.head", value, {_EXPECTED: str(revision)})

    async def _publish(self, subject: str, value: bytes, headers: dict[str, str] | None = None) -> int:
        """Store a message and return its revision; if there is no room, remove the oldest ones and try
        again."""
        try:
            return await self._publish_once(subject, value, headers)
        except NoRoom:
            await self.relieve()
            return await self._publish_once(subject, value, headers)

    async def _publish_once(self, subject: str, value: bytes, headers: dict[str, str] | None) -> int:
        if len(value) + (_HEADERS if headers else 0) > self._link.max_payload:
            raise Refused(f"more than the {self._link.max_payload} bytes that the bus takes at once")
        try:
            return await self._jetstream.publish(subject, value, headers or {}, ANSWER_TIMEOUT)
        except StoreRefused as refused:
            if refused.reason in _WRONG_REVISION:
                raise Fenced from refused
            if refused.reason in NO_ROOM:
                raise NoRoom(str(refused)) from refused
            kind = Refused if refused.code == _BAD_REQUEST else StoreUnavailable
            raise kind(str(refused)) from refused
        except NoResponders as error:
            await self._make()  # a store that lost its data; the caller tries again
            raise StoreUnavailable("the stream was not there") from error
        except LinkUnavailable as error:
            raise StoreUnavailable(str(error)) from error

    async def put(self, tunnel_id: str, epoch: str, records: Iterable[tuple[str, bytes]]) -> set[str]:
        records, size = list(records), self._chunk_size()
        refused = {name for name, value in records if len(value) > min(self.room // 2, MOST_CHUNKS * size)}
        prefix = f"{SUBJECT}.{tunnel_id}.{epoch}"
        chunks = (
            (name, f"{prefix}.{name}.{number}", chunk)
            for name, value in records
            for number, chunk in enumerate(_chunks(value, size))
            if name not in refused
        )
        abreast = min(CHUNKS_UNDER_WAY, sum(len(value) // size + 1 for _, value in records))
        ends = await asyncio.gather(
            *(self._put_each(chunks, refused) for _ in range(abreast)), return_exceptions=True
        )
        for end in ends:
            if end is not None:
                raise end
        return refused

    async def _put_each(self, chunks: Iterator[tuple[str, str, bytes]], refused: set[str]) -> None:
        """Publish chunks. Several of these share one iterator, which bounds the chunks under way."""
        for name, subject, chunk in chunks:
            try:
                await self._publish(subject, chunk)
            except Refused as refusal:
                log.debug("watch record refused", extra={"reason": str(refusal)})
                refused.add(name)

    def _chunk_size(self) -> int:
        """Return how many bytes fit into one message of this bus besides the head."""
        return max(1, min(CHUNK, self._link.max_payload - _CHUNK_HEAD.size))

    async def load(self, tunnel_id: str, before: int) -> list[Record]:
        loaded: list[Stored] = []
        async for message in self._messages(f"{SUBJECT}.{tunnel_id}.>"):
            if message.revision >= before:
                return _assemble(loaded, now=message.time)
            loaded.append(message)
        return []  # not even the head is there: the store has lost its data since

    async def _messages(self, subject: str) -> AsyncIterator[Stored]:
        at = 1
        while (message := await self._get({"seq": at, "next_by_subj": subject})) is not None:
            yield message
            at = message.revision + 1

    async def drop(self, tunnel_id: str, epoch: str, name: str) -> None:
        subject = f"{SUBJECT}.{tunnel_id}.{epoch}.{name}.*"
        try:
            await self._jetstream.call(f"STREAM.PURGE.{STREAM}", {"filter": subject}, ANSWER_TIMEOUT)
        except (StoreRefused, LinkUnavailable) as error:
            raise StoreUnavailable(str(error)) from error


def _chunks(value: bytes, size: int) -> Iterator[bytes]:
    """Split a value. Each chunk names its value: a newer value under the same name may be incomplete."""
    mark = secrets.randbits(64)
    count = max(1, -(-len(value) // size))
    for number in range(count):
        yield _CHUNK_HEAD.pack(mark, number, count) + value[number * size : (number + 1) * size]


class _Chunk(NamedTuple):
    mark: int
    of: int
    data: bytes
    revision: int
    time: float


def _assemble(messages: list[Stored], now: float) -> list[Record]:
    """Join chunks to records, oldest first; incomplete values are left out."""
    places: dict[tuple[str, str], dict[int, _Chunk]] = {}
    for message in messages:
        *_, epoch, name, _number = message.subject.split(".")
        data = message.data
        if len(data) < _CHUNK_HEAD.size:
            continue
        mark, number, count = _CHUNK_HEAD.unpack_from(data)
        chunk = _Chunk(mark, count, data[_CHUNK_HEAD.size :], message.revision, message.time)
        places.setdefault((epoch, name), {})[number] = chunk
    records = [_record(*place, chunks, now) for place, chunks in places.items()]
    return sorted((record for record in records if record), key=lambda record: record.revision)


def _record(epoch: str, name: str, chunks: dict[int, _Chunk], now: float) -> Record | None:
    first = chunks.get(0)
    if first is None:
        return None
    parts = [chunks.get(number) for number in range(first.of)]
    if any(part is None or part.mark != first.mark for part in parts):
        return None
    whole = [part for part in parts if part]
    last = max(whole, key=lambda part: part.revision)
    value = b"".join(part.data for part in whole)
    return Record(epoch, name, value, last.revision, max(0.0, now - last.time))
