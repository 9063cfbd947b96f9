"""Where held messages wait: a key-value bucket, one key per message, changed by compare-and-set only."""

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tiflis.bus.directory.bucket import Bucket, WrongRevision
from tiflis.bus.errors import DirectoryUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.seals import MARKER, SEAL_BYTES, PackedSeals, Seals, SealStart
from tiflis.relay.held.records import HeldRecord, held_records

log = logging.getLogger(__name__)

BUCKET = "tiflis_held"
MAX_BYTES = 64 * 2**20  # of all tunnels; then no more messages are held
REPLICAS = 3  # in a cluster
SECONDS = 2.0  # for one read or write, all attempts together
MARK_AGAIN = 6 * 3600.0  # seconds after which the marker is written anew: it is gone when any record would be

__all__ = ["BUCKET", "HeldLimits", "HeldStore", "Stored", "Unavailable", "WrongRevision"]

Unavailable = DirectoryUnavailable


class HeldLimits(NamedTuple):
    messages: int = 100  # that wait per tunnel; four times as many final states are remembered


class Stored(NamedTuple):
    record: HeldRecord
    revision: int


class HeldStore:
    """The bucket, over a connection that belongs to the caller."""

    def __init__(self, link: NatsClient, max_age: float, keys: Sequence[bytes] = ()) -> None:
        """``max_age``: seconds; longer than a message waits and its final state is kept. ``keys``: that seal
        records."""
        self._bucket = Bucket(link, BUCKET, max_age, REPLICAS, MAX_BYTES)
        self._seals, self._marker = PackedSeals(keys), Seals(keys)
        self._start = SealStart(self._marker)
        self._marked_at = float("-inf")
        self.ready = False

    async def start(self, clustered: bool) -> None:
        """Make the bucket, however long that takes; until then no message is held."""
        await self._bucket.ensure_at_last(clustered, "messages cannot be held")
        while not self.ready:
            with contextlib.suppress(Unavailable):
                await self._read_marker()
                self.ready = True

    # Records without a seal, which older code writes

    @property
    def sealed(self) -> bool:
        """Return whether new records without a seal are refused, and will be for a while."""
        lately = time.monotonic() - self._marked_at < MARK_AGAIN
        return not self._seals or (self._start.until is not None and lately)

    async def seal(self) -> None:
        """Refuse from now on what is written without a seal; what was there before goes on to count. Raise
        BusError."""
        if not self.ready:
            return
        revision = await self._read_marker()
        if self._start.until is None:
            self._start.until = await self._bucket.last_revision()
        with contextlib.suppress(WrongRevision):  # another worker has done it
            value = self._marker.marker(self._start.until)
            await self._bucket.write(MARKER, value, revision, SECONDS)
        self._marked_at = time.monotonic()

    async def _read_marker(self) -> int:
        """Take the marker as it is stored; return its revision. Raise Unavailable."""
        entry = await self._bucket.read(MARKER, SECONDS)
        self._start.learn(entry.value if entry else None)
        return entry.revision if entry else 0

    def _open(self, tunnel_id: str, value: bytes | None, revision: int) -> HeldRecord | None:
        """Return a stored record; None if there is none, or one that we have not written."""
        if value is None:
            return None
        if self._start.counts(self._seals.check(tunnel_id, value), revision):
            return held_records.decode(value)
        log.error("held message refused", extra={"tunnel": tunnel_id, "reason": "no seal of ours"})
        return None

    async def load(self, tunnel_id: str) -> list[Stored]:
        """Return the tunnel's messages. Raise Unavailable."""
        found = []
        async for value, revision in self._bucket.entries(f"{tunnel_id}.", SECONDS):
            record = self._open(tunnel_id, value, revision)
            if record is not None:
                found.append(Stored(record, revision))
        return found

    async def read(self, tunnel_id: str, key: str) -> Stored | None:
        """Return a message, None if it has been forgotten. Raise Unavailable."""
        entry = await self._bucket.read(f"{tunnel_id}.{key}", SECONDS)
        record = self._open(tunnel_id, entry.value, entry.revision) if entry else None
        return Stored(record, entry.revision) if entry is not None and record is not None else None

    async def write(self, tunnel_id: str, record: HeldRecord, revision: int) -> int:
        """Store a message in place of the one of this revision; return the new one. Raise WrongRevision,
        Unavailable; RecordTooLarge for a new one that the bus would not take in every state."""
        unsealed = msgspec.structs.replace(record, seal=bytes(SEAL_BYTES))
        value = self._seals.close(tunnel_id, held_records.encode(unsealed))
        return await self._bucket.write(f"{tunnel_id}.{record.key}", value, revision, SECONDS)

    async def forget(self, tunnel_id: str, key: str, revision: int) -> None:
        """Remove a message of this revision. Raise WrongRevision, Unavailable."""
        await self._bucket.remove(f"{tunnel_id}.{key}", revision, SECONDS)
