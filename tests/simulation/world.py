"""Workers with the real relay, streams, claims and handover, on a simulated bus, directory and network."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from dataclasses import replace
from typing import Any, cast

from tests.bus.simulation import Faults, SimLink, SimNetwork
from tests.relay.fakes import REGISTRATION_KEY, FakeDesk
from tests.simulation.lines import Cellar, Line, SimSockets, SimWire
from tiflis.adoption import Adoption
from tiflis.arbiter.handoff import HandoffFailed
from tiflis.bus.channels import Bus
from tiflis.bus.directory import Record
from tiflis.bus.errors import Conflict, DirectoryUnavailable
from tiflis.handover import Handover
from tiflis.limits import Limits
from tiflis.relay.claims import Claims
from tiflis.relay.gate import Gate
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.keys import Keyring
from tiflis.relay.limiter import Limiter
from tiflis.relay.newcomer import Newcomer
from tiflis.relay.tasks import Tasks
from tiflis.relay.upkeep import Upkeep

DIRECTORY_DELAY = (0.001, 0.05)  # seconds of an operation, and of a follower's lag
DEATH_NOTICE = (0.05, 0.5)  # until the others hear that a worker has died
RESPAWN = (0.3, 1.0)


class Store:
    """The directory's store: compare-and-set, outages, and followers that lag."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.records: dict[str, Record] = {}
        self.followers: dict[str, Follower] = {}
        self.away = False
        self._revision = 0
        self.claims: dict[tuple[str, int], str] = {}  # (tunnel, generation): the home it was claimed for

    async def pause(self) -> None:
        await asyncio.sleep(self._world.dice.uniform(*DIRECTORY_DELAY))
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


class Follower:
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
        await asyncio.sleep(self._world.dice.uniform(*DIRECTORY_DELAY) / 4)
        return stored

    def tell(self, record: Record) -> None:
        loop = self._world.loop
        self._told = max(self._told + 1e-6, loop.time() + self._world.dice.uniform(*DIRECTORY_DELAY))
        loop.call_at(self._told, self._hear, record)

    def _hear(self, record: Record) -> None:
        known = self._known.get(record.tunnel_id)
        if known is None or known.revision < record.revision:
            self._known[record.tunnel_id] = record
            self.on_change(record.tunnel_id, record)


class SimWorker:
    """One worker's life."""

    def __init__(self, world: World, slot: int) -> None:
        self.world = world
        self.id = f"sim-{slot}-{next(world.incarnations)}"
        self.slot = slot
        self.tasks = Tasks()
        self.sockets = SimSockets(self.id, world.loop, world.cellar, world.limits)
        follower = Follower(world, self.id)
        ring = Keyring([REGISTRATION_KEY])
        claims = Claims(cast(Any, follower), ring, self.id, 0.0)
        gate = Gate(claims, ring, Limiter(None, world.loop.time, lambda data: None))
        alive = world.alive.__contains__
        self.hub = Hub(self.id, world.limits, claims, gate, alive, _desk, self.tasks)
        self.dead = False
        self.hub.later = self._later  # type: ignore[method-assign]  # a dead process has no timers
        self.link = SimLink(world.network)
        self.link.up = world.bus_up
        self.bus = Bus(cast(Any, self.link), self.id, self.hub.accept, cast(Any, world.loop), 1)
        self.hub.open_channel = self.bus.open
        self.upkeep = Upkeep(self.hub, claims)
        follower.on_change = self.upkeep.directory_changed
        self.adoption = Adoption(self.hub, cast(Any, self.sockets), 1 << 20)
        self.accepting = True
        if world.steering:
            self.hub.steer = self._steer
        world.alive.add(self.id)
        world.workers[self.id] = self

    def _later(self, delay: float, callback: Any, /) -> Any:
        return self.world.loop.call_later(delay, lambda: None if self.dead else callback())

    async def _steer(self, newcomer: Newcomer, worker: str) -> bool:
        return await self._handover(worker).steer(newcomer)

    def _handover(self, worker: str) -> Handover:
        return Handover(self.id, self.hub, cast(Any, self.sockets), cast(Any, Courier(self.world, worker)))

    def accept(self, line: Line) -> None:
        wire = self.sockets.make("10.0.0.1")
        wire.line, line.wire = line, wire
        wire.session = cast(Any, self.hub.newcomer(wire, "ws://here/ws"))

    async def retire(self, successor: str) -> None:
        """Hand everything to the successor, and end."""
        self.accepting = False
        self.hub.leaving = True
        report = await self._handover(successor).everything(10)
        self.world.fell_back += report.fell_back
        if self.sockets.crashed:
            return
        for wire in list(self.sockets.open.values()):
            wire.close(1012, "Server is restarting")
        await self.upkeep.leave()
        await self.bus.leave(2)
        await self.end()

    async def end(self) -> None:
        """Say goodbye to the others; what is still open ends with the process."""
        self.stop_hearing()
        await self.tasks.close()
        for wire in list(self.sockets.open.values()):
            wire.close(1006)
        self.world.gone(self.id)

    def stop_hearing(self) -> None:
        self.dead = True
        self.bus.close()
        self.link.up = False
        self.world.store.followers.pop(self.id, None)
        self.world.workers.pop(self.id, None)

    async def crash(self) -> None:
        """Dead at once; the others hear of it a little later."""
        self.sockets.crashed = True
        self.accepting = False
        self.bus._closed = True
        self.stop_hearing()
        for wire in list(self.sockets.open.values()):
            wire.dead = True
            if wire.line is not None:
                wire.line.wire = None
                wire.line.cut()
        await self.tasks.close()
        self.world.loop.call_later(self.world.dice.uniform(*DEATH_NOTICE), self.world.gone, self.id)


class Courier:
    """The line to another worker over which sockets go; now and then it fails."""

    def __init__(self, world: World, worker: str) -> None:
        self._world, self._worker = world, worker

    async def send(self, body: bytes, descriptors: list[int]) -> bytes:
        world, lines = self._world, [self._world.cellar.lines[one] for one in descriptors]
        await asyncio.sleep(world.dice.uniform(0, 0.01))
        worker = world.workers.get(self._worker)
        if worker is None or world.dice.random() < world.refusals:
            raise HandoffFailed("not there")
        passed = [world.cellar.duplicate(one) for one in descriptors]
        answer = await worker.adoption.serve(body, passed)
        await asyncio.sleep(world.dice.uniform(0, 0.01))
        if worker.sockets.crashed:
            for line in lines:
                if line.wire is None:
                    line.cut()
            raise HandoffFailed("ended while it took them", undecided=True)
        return answer


class World:
    """Everything, from one seed."""

    def __init__(self, seed: int, workers: int, *, steering: bool, refusals: float, faults: Faults) -> None:
        self.dice = random.Random(seed)
        self.loop = asyncio.get_running_loop()
        self.limits = Limits()
        self.steering, self.refusals = steering, refusals
        self.broken: list[str] = []  # invariants, in words
        self.fell_back = 0
        self.bus_up = True
        self.network = SimNetwork(cast(Any, self.loop), self.dice.randrange(1 << 30), faults)
        self.store, self.cellar = Store(self), Cellar()
        self.incarnations = itertools.count(1)
        self.alive: set[str] = set()
        self.workers: dict[str, SimWorker] = {}
        for slot in range(workers):
            SimWorker(self, slot)

    def check(self, holds: bool, text: str) -> None:
        if not holds:
            self.broken.append(f"{self.loop.time():.3f}: {text}")

    def gone(self, worker: str) -> None:
        self.alive.discard(worker)
        for other in list(self.workers.values()):
            other.bus.peer_gone(worker)

    def open(self) -> Line | None:
        """A connection to whichever worker accepts it; None when there is none."""
        accepting = [worker for worker in self.workers.values() if worker.accepting]
        if not accepting:
            return None
        line = Line(self.loop, self.dice)
        self.dice.choice(accepting).accept(line)
        return line

    # Faults

    async def roll(self) -> None:
        """Replace one worker without closing a socket."""
        old = self.dice.choice(list(self.workers.values()))
        if not old.accepting:
            return
        new = SimWorker(self, old.slot)
        await asyncio.sleep(0.1)
        while not self.bus_up or self.store.away:
            await asyncio.sleep(0.02)  # without them it would not be ready
        if not old.sockets.crashed:
            await old.retire(new.id)

    async def crash(self) -> None:
        victim = self.dice.choice(list(self.workers.values()))
        await victim.crash()
        await asyncio.sleep(self.dice.uniform(*RESPAWN))
        if not any(worker.slot == victim.slot for worker in self.workers.values()):
            SimWorker(self, victim.slot)

    async def bus_away(self) -> None:
        self.bus_up = False
        for worker in list(self.workers.values()):
            worker.link.go_down()
        await asyncio.sleep(self.dice.uniform(0.01, 2))
        self.bus_up = True
        for worker in list(self.workers.values()):
            worker.link.come_up()

    async def directory_away(self) -> None:
        self.store.away = True
        await asyncio.sleep(self.dice.uniform(0.01, 2))
        self.store.away = False

    def check_homes(self) -> None:
        """No two workers are home to a tunnel in the same generation."""
        seen: dict[tuple[str, int], str] = {}
        for worker in self.workers.values():
            for home in worker.hub.homes.values():
                key = (home.tunnel_id, home.record.generation)
                other = seen.setdefault(key, worker.id)
                self.check(other == worker.id, f"{key} at home in {other} and {worker.id}")

    async def close(self) -> None:
        for worker in list(self.workers.values()):
            worker.bus.close()
            await worker.tasks.close()
        for descriptor in self.cellar.lines:
            try:
                os.fstat(descriptor)
            except OSError:
                continue


def _desk(home: Home) -> Any:
    return FakeDesk()


__all__ = ["SimWire", "World"]
