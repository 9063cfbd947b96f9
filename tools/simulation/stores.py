"""What lies in the simulated JetStream: the directory with its followers, and the watches' records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from tests.relay.watch_fakes import FakeStore
from tiflis.bus.directory.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.relay.watch.store import Head

if TYPE_CHECKING:
    from tools.simulation.world import World

DELAY = (0.001, 0.05)  # seconds of an operation, and of a follower's lag


class Store:
    """The directory's store: compare-and-set, outages, and followers that lag."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.records: dict[str, Record] = {}
        self.followers: dict[str, BucketWatcher] = {}
        self.away = False
        self._revision = 0
        self.claims: dict[tuple[str, int], str] = {}  # (tunnel, generation): the home it was claimed for

    async def pause(self) -> None:
        await asyncio.sleep(self._world.dice.uniform(*DELAY))
        if self.away:
            raise DirectoryUnavailable("away")

    def put(self, record: Record) -> Record:
        current = self.records.get(record.tunnel_id)
        if (current.revision if current else 0) != record.revision:
            raise Conflict(current)
        if record.home:
            owner = self.claims.setdefault((record.tunnel_id, record.generation), record.home)
            self._world.check(owner == record.home, f"two homes in generation {record.generation}")
        self._revision += 1
        stored = self.records[record.tunnel_id] = replace(record, revision=self._revision)
        for follower in self.followers.values():
            follower.tell(stored)
        return stored


class BucketWatcher:
    """One worker's view of the store."""

    def __init__(self, world: World, worker: str) -> None:
        self._world, self.started_empty = world, False
        self._known: dict[str, Record] = dict(world.store.records)
        self.on_change: Any = lambda tunnel_id, record: None
        self._told = 0.0
        world.store.followers[worker] = self

    def get(self, tunnel_id: str) -> Record | None:
        return self._known.get(tunnel_id)

    async def read(self, tunnel_id: str) -> Record | None:
        await self._world.store.pause()
        return self._world.store.records.get(tunnel_id)

    async def put(self, record: Record) -> Record:
        await self._world.store.pause()
        stored = self._world.store.put(record)
        self._hear(stored)
        await asyncio.sleep(self._world.dice.uniform(*DELAY) / 4)
        return stored

    def made_by(self, maker: str) -> int:
        return 0

    def untouched(self) -> list[Record]:
        return []

    async def sweep(self) -> None:
        """Nothing is forgotten here."""

    def tell(self, record: Record) -> None:
        loop = self._world.loop
        self._told = max(self._told + 1e-6, loop.time() + self._world.dice.uniform(*DELAY))
        loop.call_at(self._told, self._hear, record)

    def _hear(self, record: Record) -> None:
        known = self._known.get(record.tunnel_id)
        if known is None or known.revision < record.revision:
            self._known[record.tunnel_id] = record
            self.on_change(record.tunnel_id, record)


class WatchShelf(FakeStore):
    """The watches' records; an operation takes its time, during which its worker may die."""

    def __init__(self, world: World) -> None:
        super().__init__(cast(Any, world.loop.time))
        self._world = world

    async def _pause(self) -> None:
        await asyncio.sleep(self._world.dice.uniform(*DELAY))

    async def head(self, tunnel_id: str) -> Head | None:
        await self._pause()
        return await super().head(tunnel_id)

    async def put_head(self, tunnel_id: str, value: bytes, revision: int) -> int:
        await self._pause()
        return await super().put_head(tunnel_id, value, revision)

    async def put(self, tunnel_id: str, epoch: str, records: Iterable[tuple[str, bytes]]) -> set[str]:
        written = list(records)
        await self._pause()
        return await super().put(tunnel_id, epoch, written)
