"""The directory: which worker is home to which tunnel. All workers follow it; changes are compare-and-set."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable

from tiflis.bus import subjects
from tiflis.bus.directory.bucket import Bucket, Entry, WrongRevision
from tiflis.bus.directory.record import Record, decode, encode
from tiflis.bus.directory.watcher import BucketWatcher
from tiflis.bus.errors import Conflict, DirectoryUnavailable, LinkUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.nats.jetstream import StoreRefused
from tiflis.bus.seals import MARKER, Seals, SealStart, Verdict
from tiflis.clock import running_clock

__all__ = ["Conflict", "Directory", "DirectoryUnavailable", "Record"]

log = logging.getLogger(__name__)

BUCKET = "tiflis_tunnels"
MAX_AGE_SECONDS = 30 * 24 * 3600.0
"""A tunnel is forgotten after 30 days without its workstation."""
ANSWER_SECONDS = 2.0
"""For one read or write, all attempts together."""
REFUSED_PAUSE_SECONDS = 60.0
"""Between two log lines about records that are forged or unsealed; each gives the count since the last."""
MARGIN_SECONDS = 0.3
"""Left for the loop, so that callers see the above kept."""


def _nobody(_tunnel_id: str, _record: Record | None) -> None:
    return None


class Directory:
    """The directory as this worker sees it: `get` from memory, `read` and `put` at the store."""

    def __init__(
        self,
        urls: str,
        name: str,
        bucket: str = BUCKET,
        replicas: int = 3,
        seals: Seals | None = None,
        most_bytes: int = -1,
    ) -> None:
        """``seals``: of all records; without them no record is sealed, and none is refused."""
        self._seals = seals or Seals()
        self._unsealed: dict[str, int] = {}  # the revisions of known records without a seal
        self._start = SealStart(self._seals)
        self._refused = 0
        self._refused_at = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._name = name
        self._link = NatsClient(urls, f"{name}/directory")
        self._store = Bucket(self._link, bucket, MAX_AGE_SECONDS, replicas, most_bytes)
        self._follower = BucketWatcher(self._link, self._store, self)
        self._records: dict[str, Record] = {}
        self._makers: Counter[str] = Counter()  # how many records each registration key has
        self._untouched: set[str] = set()
        self._writing: dict[str, tuple[bytes, Record]] = {}  # our writes under way, by key
        self._markers: dict[str, int] = {}  # of what was forgotten here: the revisions that say so
        self._task: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self.started_empty = False
        self.on_change: Callable[[str, Record | None], None] = _nobody

    # -- life

    async def start(self, deadline: float = 10.0) -> None:
        """Connect and load all records. Raise DirectoryUnavailable if that takes longer; retries go on."""
        if self._task is None:
            self._task = asyncio.create_task(self._follower.run(), name="directory-follower")
        try:
            async with asyncio.timeout(deadline):
                await self._link.start(deadline)
                await self._loaded.wait()
        except (TimeoutError, LinkUnavailable) as error:
            reason = self._follower.reason or str(error) or "no answer"
            raise DirectoryUnavailable(f"no directory within {deadline:g} s: {reason}") from None

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for marking in list(self._tasks):
            marking.cancel()
            await asyncio.gather(marking, return_exceptions=True)
        await self._link.close()

    @property
    def link(self) -> NatsClient:
        """Return the connection, for others that keep something in JetStream."""
        return self._link

    def when_full(self, relieve: Callable[[], None]) -> None:
        """Call ``relieve`` whenever a write is refused for want of storage; it is tried again meanwhile."""
        self._store.on_full = relieve

    # -- records

    @property
    def ready(self) -> bool:
        """Return whether the directory is connected and `get` is as new as the store."""
        return self._follower.current and self._link.up

    @property
    def refuses(self) -> bool:
        """Return whether the latest writes were refused; reads and `get` may work."""
        return self._store.refuses

    def get(self, tunnel_id: str) -> Record | None:
        """Return the record from memory, as new as the last change received."""
        return self._records.get(tunnel_id)

    def records(self) -> list[Record]:
        """Return all known records."""
        return list(self._records.values())

    def made_by(self, maker: str) -> int:
        """Return how many of them this registration key has."""
        return self._makers[maker]

    def untouched(self) -> list[Record]:
        """Return those that never had a device."""
        return [self._records[tunnel_id] for tunnel_id in self._untouched]

    async def forget(self, record: Record) -> None:
        """Delete a record at this revision. Raise Conflict, DirectoryUnavailable."""
        key = subjects.checked(record.tunnel_id)
        try:
            marker = await self._store.delete(key, record.revision, ANSWER_SECONDS - MARGIN_SECONDS)
        except WrongRevision:
            raise Conflict(self.get(key)) from None
        self._markers[key] = marker
        self.changed(key, None, marker)

    async def sweep(self) -> None:
        """Remove the markers that earlier calls of ``forget`` have left: all workers have received them by
        now."""
        markers, self._markers = self._markers, {}
        try:
            for key, marker in markers.items():
                await self._store.sweep(key, marker)
        except (StoreRefused, LinkUnavailable) as error:
            raise DirectoryUnavailable(str(error)) from None  # they expire by themselves

    async def read(self, tunnel_id: str) -> Record | None:
        """Return the record from the store. Raise DirectoryUnavailable within 2 s."""
        entry = await self._store.read(subjects.checked(tunnel_id), ANSWER_SECONDS - MARGIN_SECONDS)
        if entry is None or entry.value is None:
            return None
        return self._decode(tunnel_id, entry.value, entry.revision) or self._records.get(tunnel_id)

    async def put(self, record: Record) -> Record:
        """Store it if it has not changed since `record.revision` (0: created it); returns it as stored.

        Conflict carries what is stored instead. DirectoryUnavailable within 2 s: it may have been stored all
        the same, so read before deciding anything.
        """
        key = subjects.checked(record.tunnel_id)
        value = self._seals.close(key, encode(record))
        self._writing[key] = value, record
        try:
            revision = await self._write(key, value, record)
        finally:
            self._writing.pop(key, None)
        stored = self._records.get(key)
        if stored is None or stored.revision != revision:  # the watcher has not reported it yet
            stored = record.at(revision)
            self._remember(stored)
        return stored

    async def _write(self, key: str, value: bytes, record: Record) -> int:
        """Return the revision under which a value is stored. Raises as ``put``."""
        clock = running_clock()
        end = clock.time() + ANSWER_SECONDS - MARGIN_SECONDS
        expected = record.revision
        while True:
            try:
                return await self._store.write(key, value, expected, end - clock.time())
            except WrongRevision:
                entry = await self._store.read(key, end - clock.time())
            if entry is not None and entry.value == value:
                return entry.revision  # an attempt of ours whose answer was lost
            if entry is not None and entry.value is None and record.revision == 0 and expected == 0:
                expected = entry.revision  # deleted: what remains is a marker
                continue
            if entry is not None and expected != entry.revision and self._replaceable(entry, record):
                expected = entry.revision
                continue
            raise Conflict(self._current(record.tunnel_id, entry))

    def _replaceable(self, entry: Entry, record: Record) -> bool:
        """Return whether what is stored counts for nothing, and ``record`` is no older than the last that
        did."""
        if entry.value is None:
            return False
        if self._start.counts(self._seals.check(record.tunnel_id, entry.value), entry.revision):
            return False
        known = self._records.get(record.tunnel_id)
        return known is None or known.generation <= record.generation

    def _current(self, tunnel_id: str, entry: Entry | None) -> Record | None:
        if entry is None or entry.value is None:
            return None
        current = self._decode(tunnel_id, entry.value, entry.revision)
        if current is None:
            return self._records.get(tunnel_id)
        self._remember(current)
        return current

    # -- for the bucket watcher

    def changed(self, tunnel_id: str, value: bytes | None, revision: int) -> None:
        if tunnel_id == MARKER:
            self._marker_changed(value)
        elif value is not None:
            record = self._own(tunnel_id, value, revision) or self._decode(tunnel_id, value, revision)
            known = self._records.get(tunnel_id)
            if record is not None:
                self._remember(record)
            elif known is not None and known.home == self._name:
                self._tell(tunnel_id, None)  # its home writes the true one again
        elif (known := self._records.get(tunnel_id)) is not None and known.revision < revision:
            self._drop(tunnel_id)

    def _own(self, tunnel_id: str, value: bytes, revision: int) -> Record | None:
        """Return the record of a write of ours that is reported before it is confirmed: it needs no check."""
        writing = self._writing.get(tunnel_id)
        if writing is None or writing[0] != value:
            return None
        self._unsealed.pop(tunnel_id, None)
        return writing[1].at(revision)

    def replaced(self) -> None:
        """Count all known records as not stored until they are reported again: the bucket is another one or
        older."""
        self._records = {tunnel_id: record.at(0) for tunnel_id, record in self._records.items()}
        self._unsealed, self._start.until = {}, None

    def complete(self, keys: set[str] | None, revision: int) -> None:
        """Note that all stored records have been reported; with `keys`, other known ones up to that revision
        are gone."""
        if keys is not None:
            for tunnel_id, known in list(self._records.items()):
                if tunnel_id not in keys and known.revision <= revision:
                    self._drop(tunnel_id)
            self._renew_marker()
        if not self._loaded.is_set():
            self.started_empty = not self._records
            self._loaded.set()

    def _remember(self, record: Record) -> None:
        """Keep the newer record: our own writes may overtake what the watcher reports."""
        known = self._records.get(record.tunnel_id)
        if known is None or known.revision < record.revision:
            self._count(known, -1)
            self._records[record.tunnel_id] = record
            self._count(record, +1)
            self._tell(record.tunnel_id, record)

    def _drop(self, tunnel_id: str) -> None:
        self._count(self._records.pop(tunnel_id), -1)
        self._tell(tunnel_id, None)

    def _count(self, record: Record | None, by: int) -> None:
        if record is None:
            return
        if record.maker:
            self._makers[record.maker] += by
            if not self._makers[record.maker]:
                del self._makers[record.maker]
        if record.untouched:
            (self._untouched.add if by > 0 else self._untouched.discard)(record.tunnel_id)

    def _tell(self, tunnel_id: str, record: Record | None) -> None:
        try:
            self.on_change(tunnel_id, record)
        except Exception:  # outermost frame
            log.exception("directory change not handled", extra={"tunnel_id": tunnel_id})

    # -- seals

    @property
    def sealed(self) -> bool:
        """Return whether new records without a seal are refused."""
        return not self._seals or self._start.until is not None

    async def seal(self) -> None:
        """Refuse from now on what is written without a seal; what was there before goes on to count. Raises
        DirectoryUnavailable."""
        value = self._seals.marker(await self._store.last_revision())
        with contextlib.suppress(WrongRevision):  # another worker has done it
            await self._store.write(MARKER, value, 0, ANSWER_SECONDS)

    def _marker_changed(self, value: bytes | None) -> None:
        """Take the marker from the store; if it was removed, write it again."""
        if self._start.learn(value):
            late = [key for key, at in self._unsealed.items() if not self._start.counts(Verdict.UNSEALED, at)]
            for tunnel_id in late:
                self._refuse(tunnel_id)
                self._count(self._records.pop(tunnel_id, None), -1)
                del self._unsealed[tunnel_id]
        else:
            self._renew_marker()

    def _renew_marker(self) -> None:
        """Write the marker again: it is gone, or it would be after 30 days, as any record."""
        if self._start.until is None:
            return
        task = asyncio.get_running_loop().create_task(self._mark_again(self._start.until))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _mark_again(self, until: int) -> None:
        try:
            entry = await self._store.read(MARKER, ANSWER_SECONDS)
            revision = entry.revision if entry else 0
            await self._store.write(MARKER, self._seals.marker(until), revision, ANSWER_SECONDS)
        except (WrongRevision, DirectoryUnavailable) as problem:
            log.warning("directory marker not written again", extra={"reason": str(problem)})

    def _refuse(self, tunnel_id: str) -> None:
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._refused_at >= REFUSED_PAUSE_SECONDS:
            log.error("directory record refused", extra={"tunnel": tunnel_id, "count": self._refused})
            self._refused, self._refused_at = 0, now

    def _decode(self, tunnel_id: str, value: bytes, revision: int) -> Record | None:
        verdict = self._seals.check(tunnel_id, value)
        if not self._start.counts(verdict, revision):
            self._refuse(tunnel_id)
            return None
        if verdict is Verdict.UNSEALED:
            self._unsealed[tunnel_id] = revision
        else:
            self._unsealed.pop(tunnel_id, None)
        with contextlib.suppress(ValueError):
            return decode(tunnel_id, value, revision)
        log.error("directory record cannot be read", extra={"tunnel_id": tunnel_id})
        return None
