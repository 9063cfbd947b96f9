"""A town whose workers share device keys: the real store and sessions over a bucket in memory."""

from __future__ import annotations

import random
from typing import Any, cast
from unittest.mock import MagicMock

from tests.relay.fakes import REGISTRATION_KEY, FakeWire
from tests.relay.town import Town
from tiflis.bus.devices.store import DeviceStore
from tiflis.bus.directory.bucket import Entry, WrongRevision
from tiflis.bus.seals import Seals
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.devices.sessions import DeviceSessions

WINDOW = 600.0


class MemoryBucket:
    """One bucket for all stores of a test."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.last = 0

    async def write(self, key: str, value: bytes, revision: int, deadline: float) -> int:
        return self._put(key, value, revision)

    async def delete(self, key: str, revision: int, deadline: float) -> int:
        return self._put(key, None, revision)

    remove = delete

    async def count(self, prefix: str, deadline: float) -> int:
        return sum(key.startswith(prefix) for key in self.entries)

    async def read(self, key: str, deadline: float) -> Entry | None:
        return self.entries.get(key)

    async def sweep(self, key: str, marker: int) -> None: ...

    def _put(self, key: str, value: bytes | None, revision: int) -> int:
        known = self.entries.get(key)
        if (known.revision if known else 0) != revision:
            raise WrongRevision
        self.last += 1
        self.entries[key] = Entry(value, self.last)
        return self.last


class Clock:
    """A time of day that is turned by hand."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


def new_store(bucket: MemoryBucket) -> DeviceStore:
    """Return a loaded store over this bucket."""
    store = DeviceStore(cast(Any, MagicMock()), Seals(Keyring([REGISTRATION_KEY]).seal_keys()), 1 << 20)
    store._store = cast(Any, bucket)
    store.complete(None, 0)
    return store


class KeyTown(Town):
    """Each worker has its store; a change is confirmed while messages go on."""

    def __init__(self, *workers: str, dice: random.Random | None = None, **limits: Any) -> None:
        super().__init__(*workers, **limits)
        self.dice, self.clock, self.bucket = dice, Clock(), MemoryBucket()
        self.wires: dict[str, list[FakeWire]] = {worker: [] for worker in workers}
        self.stores = {worker: new_store(self.bucket) for worker in workers}
        self.keys = {worker: self._keys(worker) for worker in workers}

    def _keys(self, worker: str) -> DeviceKeys:
        hub, store = self.hubs[worker], self.stores[worker]
        keys = DeviceKeys(store, Keyring([REGISTRATION_KEY]), self.clock, WINDOW, self.tasks.spawn)
        sessions = DeviceSessions(hub, keys, lambda: cast(Any, list(self.wires[worker])))
        store.on_change = sessions.changed
        keys.confirm = self._confirm
        hub.router.keys = hub.gate.devices = keys
        hub.check_key = sessions.check
        return keys

    async def _confirm(self, key: str, value: bytes | None, revision: int, /, everyone: bool = False) -> bool:
        stores = list(self.stores.values())
        if self.dice is not None:
            self.dice.shuffle(stores)
        for store in stores:
            if self.dice is not None:
                self.cable.carry_some(self.dice, self.dice.randrange(6))
            store.changed(key, value, revision)
        return True

    def socket(self, worker: str) -> FakeWire:
        wire = super().socket(worker)
        self.wires[worker].append(wire)
        return wire
