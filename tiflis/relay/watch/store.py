"""Where the watches' queues outlive their worker: records of a tunnel in JetStream, fenced by its head.

A tunnel has one *head*, changed only by compare-and-set, and any number of records beside it. Every home
writes its records under an epoch of its own, so that one that lost the tunnel without noticing spoils
nothing. All of it expires by itself.
"""

import asyncio
import contextlib
import logging
import secrets
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple, Protocol

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError, NotFoundError

from tiflis.bus.storage import NO_ROOM, Allotment

log = logging.getLogger(__name__)

STREAM = "tiflis_watches"
SUBJECT = "tiflis.watch"
RECORD_TTL = 330.0  # seconds: the five minutes of a queued message, and time to notice
MOST_CHUNKS = 65535  # of a value, as its head can count
CHUNK = 128 * 1024  # bytes, less if max_payload is: no long wait for the directory's calls
CHUNKS_UNDER_WAY = 12  # below the 2 MiB that nats-py buffers without a connection
MAX_BYTES = 1 << 30  # of the whole stream, where there is so much; beyond it the oldest records go
ANSWER_TIMEOUT = 2.0  # seconds

DUPLICATE_WINDOW = 10.0  # seconds; we do not use it, and the server's own default may exceed the age
REPLICAS = 3  # in a cluster that has so many servers
START_PATIENCE = 10.0  # seconds: a cluster needs some to agree on a leader
RETRY = 0.2  # seconds

_WRONG_REVISION = (10071, 10164)
_CHUNK_HEAD = struct.Struct(">QHH")  # which value, which chunk, how many


class StoreUnavailable(Exception):
    """The store did not answer, or refused; trying again is safe."""


class Refused(StoreUnavailable):
    """The store will not take this record, whatever is tried again; it may take others."""


class NoRoom(Refused):
    """There is no storage left for it."""


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
    """All of it raises StoreUnavailable; names and epochs are ``[A-Za-z0-9_-]+``. ``room``: bytes that the
    store keeps of all tunnels; beyond it the oldest records go."""

    @property
    def room(self) -> int: ...

    async def head(self, tunnel_id: str) -> Head | None:
        """The tunnel's head; None for a tunnel without watches."""

    async def put_head(self, tunnel_id: str, value: bytes, revision: int) -> int:
        """Replace the head of that revision (0: there is none); its new one. Raises Fenced."""

    async def put(self, tunnel_id: str, epoch: str, records: Iterable[tuple[str, bytes]]) -> set[str]:
        """Write records, in any order; all are stored on return, except those whose names are returned: the
        store will never take them, being too large for the bus or for the store."""

    async def load(self, tunnel_id: str, before: int) -> list[Record]:
        """The tunnel's records that are older than the head of revision ``before``, oldest first."""

    async def drop(self, tunnel_id: str, epoch: str, name: str) -> None:
        """Forget a record before its time."""


class JetStreamWatchStore:
    """The store over a nats-py connection, which belongs to the caller and reconnects by itself."""

    def __init__(self, connection: Client, ttl: float = RECORD_TTL) -> None:
        """``ttl``: seconds; more than a watch may be silent and a message may wait."""
        self._connection = connection
        self._ttl = ttl
        self._js: JetStreamContext = connection.jetstream(timeout=ANSWER_TIMEOUT)
        self._allotment = Allotment(self._js, MAX_BYTES)
        self._connected = 0  # how often the connection had come back when the stream was last made

    @property
    def room(self) -> int:
        return self._allotment.room

    async def start(self, patience: float = START_PATIENCE) -> None:
        """Make the stream, or bring its settings up to date; tries for so many seconds. Raises
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
        self._connected = self._connection.stats["reconnects"]
        there = None
        try:
            with contextlib.suppress(NotFoundError):
                there = await self._js.stream_info(STREAM)
            await self._allotment.make(self._config(there), there, patient)
        except (nats.errors.Error, TimeoutError) as error:
            if there is None:
                raise StoreUnavailable(str(error)) from error
            log.warning("watch store keeps its settings", extra={"reason": str(error)})

    def _config(self, there: api.StreamInfo | None) -> api.StreamConfig:
        replicas = REPLICAS if len(self._connection.servers) >= REPLICAS else 1
        return api.StreamConfig(
            name=STREAM,
            subjects=[f"{SUBJECT}.>"],
            max_msgs_per_subject=1,
            max_age=self._ttl,
            discard=api.DiscardPolicy.OLD,
            storage=api.StorageType.FILE,
            num_replicas=max(replicas, (there and there.config.num_replicas) or 1),
            duplicate_window=min(self._ttl, DUPLICATE_WINDOW),
        )

    async def relieve(self) -> None:
        """Give up the oldest records: the directory or this store could not write. Never raises."""
        try:
            await self._allotment.relieve(STREAM)
        except (nats.errors.Error, TimeoutError) as error:
            log.warning("watch store cannot make room", extra={"reason": str(error)})

    async def head(self, tunnel_id: str) -> Head | None:
        try:
            # Asks the stream's leader: a follower may not know the newest head yet.
            found = await self._js.get_msg(STREAM, subject=f"{SUBJECT}.{tunnel_id}.head")
        except NotFoundError as error:
            await self._make_if_missing(error)
            await self._allotment.look(STREAM)  # it may have gone for want of room
            return None
        except (nats.errors.Error, TimeoutError) as error:
            raise StoreUnavailable(str(error)) from error
        return Head(found.data or b"", found.seq or 0)

    async def _make_if_missing(self, error: APIError) -> None:
        if error.err_code == 10059:  # the stream itself is not there
            await self._make()

    async def put_head(self, tunnel_id: str, value: bytes, revision: int) -> int:
        if self._allotment.may_grow or self._connection.stats["reconnects"] != self._connected:
            await self._make()  # there may be more room now, or less
        headers = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}
        return await self._publish(f"{SUBJECT}.{tunnel_id}.head", value, headers)

    async def _publish(self, subject: str, value: bytes, headers: dict[str, str] | None = None) -> int:
        """Store a message; when there is no room for it, again after the oldest ones have gone."""
        try:
            return await self._publish_once(subject, value, headers)
        except NoRoom:
            await self.relieve()
            return await self._publish_once(subject, value, headers)

    async def _publish_once(self, subject: str, value: bytes, headers: dict[str, str] | None) -> int:
        try:
            return (await self._js.publish(subject, value, headers=headers)).seq
        except APIError as error:
            if error.err_code in _WRONG_REVISION:
                raise Fenced from error
            if error.err_code in NO_ROOM:
                raise NoRoom(str(error)) from error
            if isinstance(error, BadRequestError):
                raise Refused(str(error)) from error
            raise StoreUnavailable(str(error)) from error
        except nats.errors.MaxPayloadError as error:
            raise Refused(str(error)) from error
        except NoStreamResponseError as error:
            await self._make()  # a store that lost its data; the caller tries again
            raise StoreUnavailable("the stream was not there") from error
        except (nats.errors.Error, TimeoutError) as error:
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
        """Several of these share one iterator, so that only so many chunks are under way at a time."""
        for name, subject, chunk in chunks:
            try:
                await self._publish(subject, chunk)
            except Refused as refusal:
                log.debug("watch record refused", extra={"reason": str(refusal)})
                refused.add(name)

    def _chunk_size(self) -> int:
        """What fits into a message of this bus, beside its head."""
        return max(1, min(CHUNK, self._connection.max_payload - _CHUNK_HEAD.size))

    async def load(self, tunnel_id: str, before: int) -> list[Record]:
        loaded: list[api.RawStreamMsg] = []
        async for message in self._messages(f"{SUBJECT}.{tunnel_id}.>"):
            if (message.seq or 0) >= before:
                return _assemble(loaded, now=_time(message))
            loaded.append(message)
        return []  # not even the head is there: the store has lost its data since

    async def _messages(self, subject: str) -> AsyncIterator[api.RawStreamMsg]:
        at = 1
        while True:
            try:
                message = await self._js.get_msg(STREAM, seq=at, subject=subject, next=True)
            except NotFoundError:
                return
            except (nats.errors.Error, TimeoutError) as error:
                raise StoreUnavailable(str(error)) from error
            yield message
            at = (message.seq or at) + 1

    async def drop(self, tunnel_id: str, epoch: str, name: str) -> None:
        try:
            await self._js.purge_stream(STREAM, subject=f"{SUBJECT}.{tunnel_id}.{epoch}.{name}.*")
        except (nats.errors.Error, TimeoutError) as error:
            raise StoreUnavailable(str(error)) from error


def _chunks(value: bytes, size: int) -> Iterator[bytes]:
    """Each says which value it is a part of: a newer value in the same place may lack the rest."""
    mark = secrets.randbits(64)
    count = max(1, -(-len(value) // size))
    for number in range(count):
        yield _CHUNK_HEAD.pack(mark, number, count) + value[number * size : (number + 1) * size]


def _time(message: api.RawStreamMsg) -> float:
    return message.time.timestamp() if message.time else 0.0


class _Chunk(NamedTuple):
    mark: int
    of: int
    data: bytes
    revision: int
    time: float


def _assemble(messages: list[api.RawStreamMsg], now: float) -> list[Record]:
    """Put chunks together again, oldest value first; incomplete values are left out."""
    places: dict[tuple[str, str], dict[int, _Chunk]] = {}
    for message in messages:
        *_, epoch, name, _number = (message.subject or "").split(".")
        data = message.data or b""
        if len(data) < _CHUNK_HEAD.size:
            continue
        mark, number, count = _CHUNK_HEAD.unpack_from(data)
        chunk = _Chunk(mark, count, data[_CHUNK_HEAD.size :], message.seq or 0, _time(message))
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
