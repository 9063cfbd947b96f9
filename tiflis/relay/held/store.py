"""Where held messages wait: a key-value bucket, one key per message, changed by compare-and-set only."""

from typing import NamedTuple

from tiflis.bus.directory.bucket import Bucket, WrongRevision
from tiflis.bus.errors import DirectoryUnavailable
from tiflis.bus.nats.client import NatsClient
from tiflis.relay.held.records import HeldRecord, held_records

BUCKET = "tiflis_held"
MAX_BYTES = 64 * 2**20  # of all tunnels; then no more messages are held
REPLICAS = 3  # in a cluster
SECONDS = 2.0  # for one read or write, all attempts together

__all__ = ["BUCKET", "HeldLimits", "HeldStore", "Stored", "Unavailable", "WrongRevision"]

Unavailable = DirectoryUnavailable


class HeldLimits(NamedTuple):
    messages: int = 100  # that wait per tunnel; four times as many final states are remembered


class Stored(NamedTuple):
    record: HeldRecord
    revision: int


class HeldStore:
    """The bucket, over a connection that belongs to the caller."""

    def __init__(self, link: NatsClient, max_age: float) -> None:
        """``max_age``: seconds; longer than a message waits and its final state is kept."""
        self._bucket = Bucket(link, BUCKET, max_age, REPLICAS, MAX_BYTES)
        self.ready = False

    async def start(self, clustered: bool) -> None:
        """Make the bucket, however long that takes; until then no message is held."""
        await self._bucket.ensure_at_last(clustered, "messages cannot be held")
        self.ready = True

    async def load(self, tunnel_id: str) -> list[Stored]:
        """Return the tunnel's messages. Raise Unavailable."""
        found = []
        async for value, revision in self._bucket.entries(f"{tunnel_id}.", SECONDS):
            record = held_records.decode(value)
            if record is not None:
                found.append(Stored(record, revision))
        return found

    async def read(self, tunnel_id: str, key: str) -> Stored | None:
        """Return a message, None if it has been forgotten. Raise Unavailable."""
        entry = await self._bucket.read(f"{tunnel_id}.{key}", SECONDS)
        record = held_records.decode(entry.value) if entry and entry.value is not None else None
        return Stored(record, entry.revision) if entry is not None and record is not None else None

    async def write(self, tunnel_id: str, record: HeldRecord, revision: int) -> int:
        """Store a message in place of the one of this revision; return the new one. Raise WrongRevision,
        Unavailable."""
        value = held_records.encode(record)
        return await self._bucket.write(f"{tunnel_id}.{record.key}", value, revision, SECONDS)

    async def forget(self, tunnel_id: str, key: str, revision: int) -> None:
        """Remove a message of this revision. Raise WrongRevision, Unavailable."""
        await self._bucket.remove(f"{tunnel_id}.{key}", revision, SECONDS)
