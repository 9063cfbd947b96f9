"""The simulated key-value buckets of JetStream besides the directory, and the workers that follow one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from tiflis.bus.directory.bucket import Entry, WrongRevision
from tiflis.bus.errors import DirectoryUnavailable

if TYPE_CHECKING:
    from tools.simulation.world import World

DELAY = (0.001, 0.05)  # seconds of an operation, and of a follower's lag
RETRY = 0.05  # seconds between two attempts while the store is away
REPEATED = 0.02  # probability that the answer to a deletion is lost: its repetition finds another revision

Follow = Callable[[str, bytes | None, int], None]


class SimBucket:
    """As ``Bucket``: compare-and-set over a store that may be away. Each follower gets all changes, late."""

    largest = 1024 * 1024  # bytes of a message, as NATS has it by default

    def __init__(self, world: World) -> None:
        self._world = world
        self.stored: dict[str, Entry] = {}
        self.followers: dict[str, Follow] = {}  # by worker
        self._due: dict[str, float] = {}  # when the latest change reaches each follower
        self._last = 0

    async def _reach(self, deadline: float) -> None:
        """Wait until the store answers. Raise DirectoryUnavailable after ``deadline`` seconds."""
        world = self._world
        end = world.loop.time() + deadline
        await asyncio.sleep(world.chance.uniform(*DELAY))
        while world.store.away:
            if world.loop.time() >= end:
                raise DirectoryUnavailable("away")
            await asyncio.sleep(RETRY)

    def _put(self, key: str, value: bytes | None, revision: int) -> int:
        known = self.stored.get(key)
        if (known.revision if known else 0) != revision:
            raise WrongRevision
        self._last += 1
        self.stored[key] = Entry(value, self._last)
        for worker, follow in self.followers.items():
            self._tell(worker, follow, key, value, self._last)
        return self._last

    def _tell(self, worker: str, follow: Follow, key: str, value: bytes | None, revision: int) -> None:
        loop = self._world.loop
        due = loop.time() + self._world.chance.uniform(*DELAY)
        self._due[worker] = due = max(due, self._due.get(worker, 0.0) + 1e-6)
        loop.call_at(due, self._arrive, worker, follow, key, value, revision)

    def _arrive(self, worker: str, follow: Follow, key: str, value: bytes | None, revision: int) -> None:
        if self.followers.get(worker) is not follow:
            return
        if self._world.workers[worker].link.up:
            follow(key, value, revision)
        else:
            self._world.loop.call_later(RETRY, self._arrive, worker, follow, key, value, revision)

    # As the users of a Bucket know it

    async def write(self, key: str, value: bytes, revision: int, deadline: float) -> int:
        return await self._store(key, value, revision, deadline)

    async def delete(self, key: str, revision: int, deadline: float) -> int:
        return await self._store(key, None, revision, deadline)

    async def _store(self, key: str, value: bytes | None, revision: int, deadline: float) -> int:
        await self._reach(deadline)
        stored = self._put(key, value, revision)
        await self._reach(deadline)  # its answer
        if value is None and self._world.chance.random() < REPEATED:
            raise WrongRevision
        return stored

    async def read(self, key: str, deadline: float) -> Entry | None:
        await self._reach(deadline)
        return self.stored.get(key)

    async def entries(self, prefix: str, deadline: float) -> AsyncIterator[tuple[bytes, int]]:
        found = sorted(self.stored.items(), key=lambda item: item[1].revision)
        for key, entry in found:
            await self._reach(deadline)
            if key.startswith(prefix) and entry.value is not None:
                yield entry.value, entry.revision

    async def remove(self, key: str, revision: int, deadline: float) -> None:
        await self._store(key, None, revision, deadline)
        await self.sweep(key, 0)

    async def sweep(self, key: str, marker: int) -> None:
        entry = self.stored.get(key)
        if entry is not None and entry.value is None:
            del self.stored[key]
