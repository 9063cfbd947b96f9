"""One bucket of JetStream's key-value store: reads from the leader, writes by compare-and-set."""

import asyncio
import base64
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import NamedTuple, TypeVar

from tiflis import metrics
from tiflis.bus.errors import BusError, DirectoryUnavailable, LinkUnavailable, NoRoom, RecordTooLarge
from tiflis.bus.nats.client import ConnectionListener, NatsClient
from tiflis.bus.nats.jetstream import NOT_FOUND, Document, JetStream, StoreRefused, header
from tiflis.bus.storage import NO_ROOM
from tiflis.clock import running_clock

log = logging.getLogger(__name__)

GROWTH = 1024
"""Bytes that a new record's headers and later changes may add."""
REQUEST_SECONDS = 0.7
"""For one attempt, so that a second one fits into what a caller waits (2 s)."""
PAUSE_SECONDS = 0.05
REPLICAS_SECONDS = 5.0
"""How long a young cluster may take to find places for all replicas before one has to do."""
ENSURE_AGAIN_SECONDS = 5.0
"""Between two attempts to make a bucket that the server works without."""
REFUSED_SECONDS = 60.0
"""For so long a failed write says something: workstations that were refused come again within it."""

WRONG_LAST_SEQUENCE = (10071, 10164)
REPLICAS_NOT_SUPPORTED = 10074
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_MARKERS = ("KV-Operation", "Nats-Marker-Reason")  # headers of a message that stores no value
_MARKER = re.compile("|".join(_MARKERS).encode(), re.IGNORECASE)  # hardly any record has one
_NANOSECONDS = 1_000_000_000

T = TypeVar("T")


class Entry(NamedTuple):
    """What is stored under a key; `value` None is a marker that it was deleted."""

    value: bytes | None
    revision: int


class WrongRevision(Exception):
    """The key is not at the revision that was expected."""


def value_of(headers: bytes, payload: bytes) -> bytes | None:
    """Return the value that a message stores; None if it says that the key was deleted or has expired."""
    if _MARKER.search(headers) and any(header(headers, name) for name in _MARKERS):
        return None
    return payload


def _entry(message: Document) -> Entry:
    """Return the entry in a stored message, as STREAM.MSG.GET answers with it."""
    headers = base64.b64decode(message.get("hdrs", ""))
    return Entry(value_of(headers, base64.b64decode(message.get("data", ""))), int(message["seq"]))


class Bucket:
    """A bucket over a link of its own, laid out as every NATS client does it (stream `KV_<bucket>`)."""

    def __init__(
        self, link: NatsClient, bucket: str, max_age: float, replicas: int, most_bytes: int = -1
    ) -> None:
        """``most_bytes``: of the bucket, if its account has so much; -1: no bound of its own."""
        self._link = link
        self._max_age = max_age
        self._replicas = replicas
        self._most_bytes = most_bytes
        self._refused_at: float | None = None
        self.on_full: Callable[[], None] = lambda: None  # a write was refused for want of storage
        link.listen(ConnectionListener(on_up=self._link_up))
        self.jetstream = JetStream(link)
        self.stream = f"KV_{bucket}"
        self.prefix = f"$KV.{bucket}."

    def _link_up(self) -> None:
        """Perhaps another server: it is given its try."""
        self._refused_at = None

    @property
    def refuses(self) -> bool:
        """Whether the newest write has failed, and that not long ago: who could know it after a while?"""
        at = self._refused_at
        return at is not None and asyncio.get_running_loop().time() - at < REFUSED_SECONDS

    # -- the bucket

    async def ensure(self, clustered: bool) -> Document:
        """Make the bucket unless it exists, with the replication that the servers allow; return the stream's
        state."""
        wanted = self._replicas if clustered else 1
        try:
            info = await self.jetstream.call(f"STREAM.INFO.{self.stream}", {}, REQUEST_SECONDS)
        except StoreRefused as refused:
            if refused.code != NOT_FOUND:
                raise
            return await self._create(wanted)
        if info["config"].get("num_replicas", 1) < wanted:
            await self._add_replicas(info["config"], wanted)
        if self._most_bytes > 0 and int(info["config"].get("max_bytes", -1)) != self._most_bytes:
            await self._bound(info, max(wanted, info["config"].get("num_replicas", 1)))
        return info

    async def ensure_at_last(self, clustered: bool, complaint: str) -> None:
        """Make the bucket, however long that takes; log ``complaint`` once if it cannot be made at once."""
        logged = False
        while True:
            try:
                await self.ensure(clustered)
                return
            except BusError as problem:
                if not logged:
                    log.warning(complaint, extra={"reason": str(problem)})
                logged = True
                await asyncio.sleep(ENSURE_AGAIN_SECONDS)

    async def _create(self, replicas: int) -> Document:
        end = asyncio.get_running_loop().time() + REPLICAS_SECONDS
        while True:
            try:
                return await self.jetstream.call(
                    f"STREAM.CREATE.{self.stream}", self._config(replicas), REPLICAS_SECONDS
                )
            except StoreRefused as refused:
                if refused.reason in NO_ROOM and self._most_bytes > 0:
                    self._most_bytes = -1  # the account has less, and is the bound
                    continue
                late = asyncio.get_running_loop().time() > end
                if replicas == 1 or not (late or refused.reason == REPLICAS_NOT_SUPPORTED):
                    raise
                log.warning("directory without replicas", extra={"reason": str(refused)})
                replicas = 1

    async def _add_replicas(self, config: Document, wanted: int) -> None:
        config = {**config, "num_replicas": wanted}
        try:
            await self.jetstream.call(f"STREAM.UPDATE.{self.stream}", config, REPLICAS_SECONDS)
        except (StoreRefused, LinkUnavailable) as error:
            log.warning("directory keeps its replicas", extra={"reason": str(error)})

    async def _bound(self, info: Document, replicas: int) -> None:
        """Give an older bucket its bound; one that already holds more stays writable."""
        most = max(self._most_bytes, 2 * int(info["state"].get("bytes", 0)))
        if int(info["config"].get("max_bytes", -1)) == most:
            return
        config = {**info["config"], "max_bytes": most, "num_replicas": replicas}
        try:
            await self.jetstream.call(f"STREAM.UPDATE.{self.stream}", config, REPLICAS_SECONDS)
        except (StoreRefused, LinkUnavailable) as error:
            log.info("directory keeps its size", extra={"reason": str(error)})

    def _config(self, replicas: int) -> Document:
        return {
            "name": self.stream,
            "subjects": [f"{self.prefix}>"],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": replicas,
            "max_age": int(self._max_age * _NANOSECONDS),
            "max_msgs_per_subject": 1,
            "max_msgs": -1,
            "max_bytes": self._most_bytes,
            "max_consumers": -1,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        }

    async def last_revision(self) -> int:
        """Return the revision of the newest entry, from the leader."""
        message = await self._message({"last_by_subj": f"{self.prefix}>"}, REQUEST_SECONDS)
        return int(message["seq"]) if message else 0

    # -- keys

    async def read(self, key: str, deadline: float) -> Entry | None:
        """Return an entry from the leader, so never stale. Raise DirectoryUnavailable after `deadline`
        seconds."""
        return await self._persist(partial(self._last, key), deadline, "read")

    async def _last(self, key: str, seconds: float) -> Entry | None:
        """Return what is stored under a key, in one attempt."""
        message = await self._message({"last_by_subj": f"{self.prefix}{key}"}, seconds)
        return _entry(message) if message is not None else None

    async def entries(self, prefix: str, deadline: float) -> AsyncIterator[tuple[bytes, int]]:
        """Return the values of all keys that begin with ``prefix``, oldest first, with their revisions; each
        read may take ``deadline`` seconds. Raise DirectoryUnavailable."""
        at = 1
        while True:
            request = {"seq": at, "next_by_subj": f"{self.prefix}{prefix}>"}
            found = await self._persist(partial(self._message, request), deadline, "read")
            if found is None:
                return
            entry = _entry(found)
            at = entry.revision + 1
            if entry.value is not None:
                yield entry.value, entry.revision

    async def count(self, prefix: str, deadline: float) -> int:
        """Return how many keys begin with ``prefix``, with those whose marker has not been removed yet. Raise
        DirectoryUnavailable."""
        request = {"subjects_filter": f"{self.prefix}{prefix}>"}

        async def ask(seconds: float) -> int:
            info = await self.jetstream.call(f"STREAM.INFO.{self.stream}", request, seconds)
            return len(info["state"].get("subjects") or {})

        return await self._persist(ask, deadline, "read")

    async def _message(self, request: Document, seconds: float) -> Document | None:
        """Return the stored message that a STREAM.MSG.GET request asks for."""
        try:
            answer = await self.jetstream.call(f"STREAM.MSG.GET.{self.stream}", request, seconds)
        except StoreRefused as refused:
            if refused.code == NOT_FOUND:
                return None
            raise
        message: Document = answer["message"]
        return message

    async def delete(self, key: str, revision: int, deadline: float) -> int:
        """Leave a marker in place of a key at this revision; returns the marker's. Raises as ``write``."""
        return await self._store(key, b"", {_EXPECTED: str(revision), "KV-Operation": "DEL"}, deadline)

    async def sweep(self, key: str, marker: int) -> None:
        """Remove a key's marker, unless it has been stored anew. Raises StoreRefused, LinkUnavailable."""
        request = {"filter": f"{self.prefix}{key}", "seq": marker + 1}
        await self.jetstream.call(f"STREAM.PURGE.{self.stream}", request, REQUEST_SECONDS)

    async def remove(self, key: str, revision: int, deadline: float) -> None:
        """Delete a key at this revision, and its marker if that succeeds. Raise as ``write``."""
        marker = await self.delete(key, revision, deadline)
        try:
            await self.sweep(key, marker)
        except BusError as problem:
            log.debug("marker not removed", extra={"reason": str(problem)})

    async def write(self, key: str, value: bytes, revision: int, deadline: float) -> int:
        """Store if the key is at `revision` (0: not stored); return the new one.

        Raise WrongRevision; DirectoryUnavailable after `deadline` seconds: it may or may not be stored.
        """
        largest = self._link.max_payload
        if not revision and len(value) + GROWTH > largest:
            raise RecordTooLarge(f"more than the {largest} bytes that the bus takes at once")
        return await self._store(key, value, {_EXPECTED: str(revision)}, deadline)

    async def _store(self, key: str, value: bytes, headers: dict[str, str], deadline: float) -> int:
        attempts = 0

        async def attempt(seconds: float) -> int:
            nonlocal attempts
            attempts += 1
            try:
                return await self.jetstream.publish(f"{self.prefix}{key}", value, headers, seconds)
            except StoreRefused as refused:
                if refused.reason not in WRONG_LAST_SEQUENCE:
                    raise
            if attempts > 1 and value:  # an earlier attempt may have been stored without its answer arriving
                found = await self._last(key, seconds)
                if found is not None and found.value == value:
                    return found.revision
            raise WrongRevision

        try:
            revision = await self._persist(attempt, deadline, "write")
        except DirectoryUnavailable:
            self._refused_at = asyncio.get_running_loop().time()
            raise
        self._refused_at = None
        return revision

    async def _persist(self, attempt: Callable[[float], Awaitable[T]], deadline: float, what: str) -> T:
        """Try until it works or the deadline has passed."""
        began, outcome = perf_counter(), "unavailable"
        try:
            result = await self._try(attempt, deadline)
            outcome = "ok"
            return result
        except WrongRevision:
            outcome = "conflict"
            raise
        finally:
            metrics.count("directory_operations_total", what, outcome)
            metrics.observe("directory_seconds", perf_counter() - began, what)

    async def _try(self, attempt: Callable[[float], Awaitable[T]], deadline: float) -> T:
        clock = running_clock()
        end, reason, no_room = clock.time() + deadline, "no time left", True
        while (left := end - clock.time()) > 0:
            try:
                return await attempt(min(left, REQUEST_SECONDS))
            except (LinkUnavailable, StoreRefused) as error:
                reason = str(error)
                # Its own bound is no lack of storage: no other stream could give it room.
                own = "maximum" in reason
                full = isinstance(error, StoreRefused) and error.reason in NO_ROOM
                no_room = no_room and full  # in each attempt: another may be stored without an answer
                if full and not own:
                    self.on_full()
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, end - clock.time())))
        kind = NoRoom if no_room and reason != "no time left" else DirectoryUnavailable
        raise kind(f"the directory did not answer within {deadline:.2f} s: {reason}")
