"""The directory in memory: compare-and-set, outages and rivals on demand."""

from collections.abc import Callable

from msgspec.structs import replace

from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable


class FakeDirectory:
    """``get`` reads ``followed``, which may lag behind what is stored."""

    def __init__(self) -> None:
        self.stored: dict[str, Record] = {}
        self.followed: dict[str, Record] = {}
        self.lagging = False
        self.away = False
        self.started_empty = False
        self.reads = self.puts = 0
        self.before_put: Callable[[Record], None] | None = None  # a rival that is faster, once
        self.on_change: Callable[[str, Record | None], None] = lambda tunnel_id, record: None
        self._revision = 0

    def get(self, tunnel_id: str) -> Record | None:
        return self.followed.get(tunnel_id)

    async def read(self, tunnel_id: str) -> Record | None:
        self.reads += 1
        if self.away:
            raise DirectoryUnavailable("away")
        return self.stored.get(tunnel_id)

    async def put(self, record: Record) -> Record:
        self.puts += 1
        if self.away:
            raise DirectoryUnavailable("away")
        rival, self.before_put = self.before_put, None
        if rival is not None:
            rival(record)
        current = self.stored.get(record.tunnel_id)
        if (current.revision if current else 0) != record.revision:
            raise Conflict(current)
        return self.store(record)

    def made_by(self, maker: str) -> int:
        return sum(record.maker == maker for record in self.followed.values())

    def untouched(self) -> list[Record]:
        return [record for record in self.followed.values() if record.untouched]

    async def sweep(self) -> None:
        """Do nothing: there are no markers."""

    async def forget(self, record: Record) -> None:
        if self.stored.get(record.tunnel_id) != record:
            raise Conflict(None)
        del self.stored[record.tunnel_id], self.followed[record.tunnel_id]
        self.on_change(record.tunnel_id, None)

    def store(self, record: Record) -> Record:
        """Store a record as if another worker had written it."""
        self._revision += 1
        stored = replace(record, revision=self._revision)
        self.stored[record.tunnel_id] = stored
        if not self.lagging:
            self.followed[record.tunnel_id] = stored
            self.on_change(record.tunnel_id, stored)
        return stored
