"""A store in memory that can fail and be fenced, a clock to turn by hand, and a home that remembers."""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import WorkstationOffline
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.pinned import Account
from tiflis.relay.watch.calls import Connect, Messages
from tiflis.relay.watch.interfaces import Pushes, QueueLimits
from tiflis.relay.watch.operations import WatchOperations
from tiflis.relay.watch.store import Fenced, Head, Record, StoreUnavailable

KEY = "a key of sixteen characters"
WHO: dict[str, Any] = {"device_id": "watch-1", "auth_key": KEY}


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeStore:
    """Keeps what the real one would; ``log`` holds the names of all records ever put."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._revision = 0
        self.heads: dict[str, Head] = {}
        self.records: dict[tuple[str, str, str], tuple[bytes, int, float]] = {}
        self.log: list[str] = []
        self.room = 1 << 30
        self.too_large = 1 << 30  # bytes: a larger record is refused
        self.refusals = 0
        self.batches: list[int] = []  # bytes of each put
        self.looks = 0
        self.away = False
        self.fail_puts = 0
        self.tear: Callable[[], float] | None = None  # of the next put, only a random part is written
        self.fail_heads = 0  # as if the store had broken down between a put and its head

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("away")

    def _next(self) -> int:
        self._revision += 1
        return self._revision

    async def head(self, tunnel_id: str) -> Head | None:
        self._check()
        self.looks += 1
        return self.heads.get(tunnel_id)

    async def put_head(self, tunnel_id: str, value: bytes, revision: int) -> int:
        self._check()
        if self.fail_heads:
            self.fail_heads -= 1
            raise StoreUnavailable("broken down")
        current = self.heads.get(tunnel_id)
        if (current.revision if current else 0) != revision:
            raise Fenced
        self.heads[tunnel_id] = Head(value, self._next())
        return self._revision

    async def put(self, tunnel_id: str, epoch: str, records: Iterable[tuple[str, bytes]]) -> set[str]:
        self._check()
        if self.fail_puts:
            self.fail_puts -= 1
            raise StoreUnavailable("broken down")
        await asyncio.sleep(0)  # others get their turn, as with a real one
        tear, self.tear = self.tear, None
        records = list(records)
        refused = {name for name, value in records if len(value) > self.too_large}
        self.refusals += len(refused)
        self.batches.append(sum(len(value) for _, value in records))
        for name, value in records:
            if name not in refused and (tear is None or tear() < 0.5):
                self.log.append(name)
                self.records[tunnel_id, epoch, name] = (value, self._next(), self._clock())
        if tear is not None:
            raise StoreUnavailable("broken down in the middle")
        return refused

    def mend(self) -> None:
        self.away, self.tear, self.fail_puts, self.fail_heads = False, None, 0, 0

    async def load(self, tunnel_id: str, before: int) -> list[Record]:
        self._check()
        found = [
            Record(epoch, name, value, revision, self._clock() - at)
            for (tunnel, epoch, name), (value, revision, at) in self.records.items()
            if tunnel == tunnel_id and revision < before
        ]
        return sorted(found, key=lambda record: record.revision)

    async def drop(self, tunnel_id: str, epoch: str, name: str) -> None:
        self._check()
        self.records.pop((tunnel_id, epoch, name), None)


class Keys:
    """Device keys; those in ``over`` have ended."""

    def __init__(self) -> None:
        self.over: set[str] = set()

    def ended(self, key_id: str) -> bool:
        return key_id in self.over

    def allows(self, key_id: str, text: bytes) -> bool:
        return key_id not in self.over


class Presence:
    """Whether the workstation is expected back."""

    expected = False


class FakeHome:
    """A home whose workstation remembers what it was sent."""

    def __init__(self) -> None:
        self.workstation_online = True
        self.workstation_name = "desk at home"
        self.presence = Presence()
        self.generation = 1
        self.access = Keys()
        self.sent: list[tuple[bytes, str, bytes]] = []
        self.left: list[str] = []
        self.came: list[str] = []
        self.lost = 0
        self.present: set[str] = set()
        self.marks: list[tuple[str, Cursor]] = []

    def to_workstation(self, text: bytes | SplicedText, device_id: str, request_id: bytes) -> None:
        if not self.workstation_online:
            raise WorkstationOffline
        self.sent.append((bytes(text), device_id, request_id))

    def device_left(self, device_id: str) -> None:
        self.left.append(device_id)

    def device_came(self, device_id: str) -> None:
        self.came.append(device_id)

    @property
    def push(self) -> Pushes:
        raise NotImplementedError

    def has_device(self, device_id: str) -> bool:
        return device_id in self.present

    def mark(self, device_id: str, cursor: Cursor) -> None:
        self.marks.append((device_id, cursor))

    def watches_lost(self, watches: object) -> None:
        self.lost += 1


class Stage:
    """One tunnel, its store and its clock; each ``desk`` is one more home of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.home = FakeHome()
        self.limits = QueueLimits(pace=0.0, store_timeout=0.5)
        self.desks: list[WatchOperations] = []

    def watches(self, account: Account | None = None) -> WatchOperations:
        watches = WatchOperations(
            "tunnel-1", self.home, self.store, self.limits, self.clock, lambda: 1768478400.0, account
        )
        self.desks.append(watches)
        return watches

    async def close(self) -> None:
        for watches in self.desks:
            await watches.close()


async def poll(watches: WatchOperations, **arguments: Any) -> dict[str, Any]:
    """Return the answer to a poll, with its messages parsed."""
    answer = await watches.call(Messages(**{**WHO, **arguments}))
    answer["messages"] = json.loads(answer.pop("messages_json"))
    return answer


async def connected(stage: Stage) -> WatchOperations:
    watches = stage.watches()
    await watches.call(Connect(**WHO))
    return watches


async def deliver(watches: WatchOperations, *texts: bytes) -> None:
    for text in texts:
        watches.deliver(text)
    await watches.registry.settle()


def data(answer: dict[str, Any]) -> list[Any]:
    return [message["data"] for message in answer["messages"]]


def numbers(answer: dict[str, Any]) -> list[int]:
    return [message["sequence"] for message in answer["messages"]]
