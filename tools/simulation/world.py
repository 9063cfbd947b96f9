"""Workers on a simulated bus, directory and network, and everything that may go wrong with them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from unittest import mock

from tests.bus.simulation import Faults, SimNetwork
from tiflis.limits import Limits
from tiflis.relay.watch.stays import StayLimits
from tools.simulation.account import Account
from tools.simulation.buckets import SimBucket
from tools.simulation.lines import Cellar, Line
from tools.simulation.stores import Store, WatchShelf
from tools.simulation.worker import SimWorker, WorkerDied

DEATH_NOTICE = (0.05, 0.5)  # seconds until the others hear that a worker has died
RESPAWN = (0.3, 1.0)
READY = 0.1  # a new worker needs so long
AWAY = (0.01, 3.0)  # how long the bus or the directory is away


class _Errors(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        why = record.exc_info[1] if record.exc_info else ""
        self._world.check(False, f"{record.getMessage()}: {why!r}")


class World:
    """Everything, from one seed."""

    def __init__(
        self, seed: int, workers: int, *, steering: bool, refusals: float, faults: Faults, holds: bool = False
    ) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        self.chance = random.Random(~seed)  # for the device keys: without them a story stays as it was
        self.loop = asyncio.get_running_loop()
        self.limits = LIMITS
        self.steering, self.refusals = steering, refusals
        self.courier: tuple[float, float] = (0, 0.01)  # seconds of a handoff's request, and of its answer
        self.broken: list[str] = []  # invariants, in words
        self.happened: Counter[str] = Counter()
        self.troubled = False  # an outage may come between two homes
        self.stay = StayLimits()  # bounds of the queues of devices that stay
        self.watched: set[str] = set()  # tunnels with a watch
        self.fell_back = 0
        self.servings: list[asyncio.Task[bytes]] = []  # of parcels, which outlive their senders
        self.bus_up = True
        self.network = SimNetwork(cast(Any, self.loop), self.dice.randrange(1 << 30), faults)
        self.store, self.shelf, self.cellar = Store(self), WatchShelf(self), Cellar()
        self.key_bucket, self.held_bucket = SimBucket(self), SimBucket(self)
        self.holds = holds  # whether workers hold messages
        self.account = Account()
        self.loop.set_exception_handler(self._failed)
        self.incarnations, self._lines = itertools.count(1), itertools.count(1)
        self.alive: set[str] = set()
        self.workers: dict[str, SimWorker] = {}
        for slot in range(workers):
            SimWorker(self, slot)

    @contextmanager
    def descriptors(self) -> Iterator[None]:
        """Meanwhile the handover closes this world's descriptors."""
        with (
            mock.patch("tiflis.handoff.sender.close_all", self.cellar.close_all),
            mock.patch("tiflis.handoff.receiver.close_all", self.cellar.close_all),
        ):
            yield

    @contextmanager
    def ears_open(self) -> Iterator[None]:
        """Meanwhile an error in the log is a finding; the rest of the log costs nothing."""
        handler = _Errors(self)
        log = logging.getLogger("tiflis")
        log.addHandler(handler)
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
            log.removeHandler(handler)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.check(False, f"{context['message']}: {context.get('exception')!r}")

    def check(self, holds: bool, text: str) -> None:
        if not holds:
            self.broken.append(f"{self.loop.time():.3f}: {text}")

    def count(self, what: str) -> None:
        self.happened[what] += 1

    def gone(self, worker: str) -> None:
        self.alive.discard(worker)
        for other in list(self.workers.values()):
            other.bus.peer_gone(worker)

    def open(self, address: str) -> Line | None:
        """Return a connection to any worker that accepts it; None when there is none."""
        worker = self.any_worker()
        if worker is None:
            return None
        line = Line(self.loop, self.seed + next(self._lines))
        worker.accept(line, address)
        return line

    def any_worker(self) -> SimWorker | None:
        accepting = [worker for worker in self.workers.values() if worker.accepting]
        return self.dice.choice(accepting) if accepting else None

    def some_worker(self) -> SimWorker:
        """Return a worker that answers calls. Raise WorkerDied if there is none."""
        accepting = [worker for worker in self.workers.values() if worker.accepting]
        if not accepting:
            raise WorkerDied
        return self.chance.choice(accepting)

    # Faults

    async def roll(self) -> None:
        """Replace one worker without closing a socket."""
        old = self.any_worker()
        if old is None:
            return
        new = SimWorker(self, old.slot)
        await asyncio.sleep(READY)
        while not self.bus_up or self.store.away:
            await asyncio.sleep(0.02)  # without them it would not be ready
        if not old.sockets.crashed:
            retiring = asyncio.create_task(old.retire(new.id))
            ends: list[asyncio.Future[None]] = [retiring, old.death]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if old.sockets.crashed:
                retiring.cancel()
            await asyncio.gather(retiring, return_exceptions=old.sockets.crashed)

    async def crash(self) -> None:
        victims = list(self.workers.values())
        await self._crash(self.dice.choice(victims)) if victims else None

    async def crash_all(self) -> None:
        """Crash all workers at once, as when memory runs out."""
        await asyncio.gather(*(self._crash(worker) for worker in list(self.workers.values())))

    async def _crash(self, victim: SimWorker) -> None:
        now = self.loop.time()
        self.account.crashes += [(now, tunnel) for tunnel in victim.hub.router.homes]
        await victim.crash()
        self.loop.call_later(self.dice.uniform(*DEATH_NOTICE), self.gone, victim.id)
        await asyncio.sleep(self.dice.uniform(*RESPAWN))
        if not any(worker.slot == victim.slot for worker in self.workers.values()):
            SimWorker(self, victim.slot)

    async def bus_away(self) -> None:
        if not self.bus_up:
            return
        self.bus_up = False
        for worker in list(self.workers.values()):
            worker.link.go_down()
        await asyncio.sleep(self.dice.uniform(*AWAY))
        self.bus_up = True
        for worker in list(self.workers.values()):
            worker.link.come_up()

    async def cut_off(self) -> None:
        """Cut one worker's link to the bus for a moment."""
        worker = self.any_worker()
        if worker is None or not worker.link.up:
            return
        worker.link.go_down()
        await asyncio.sleep(self.dice.uniform(*AWAY))
        if self.bus_up and worker.id in self.workers:
            worker.link.come_up()

    async def directory_away(self) -> None:
        if self.store.away:
            return
        self.store.away = self.shelf.away = True
        await asyncio.sleep(self.dice.uniform(*AWAY))
        self.store.away = self.shelf.away = False

    async def nats_away(self) -> None:
        """Take the bus and the store away: both are one server."""
        await asyncio.gather(self.bus_away(), self.directory_away())

    async def loss(self) -> None:
        """Have the bus lose, double and reorder a lot for a moment."""
        if self.network.faults is STORM:
            return
        usual, self.network.faults = self.network.faults, STORM
        await asyncio.sleep(self.dice.uniform(0.1, 1))
        self.network.faults = usual

    def check_homes(self) -> None:
        """Check that no two workers are home to a tunnel in the same generation."""
        seen: dict[tuple[str, int], str] = {}
        for worker in self.workers.values():
            for home in worker.hub.router.homes.values():
                key = (home.tunnel_id, home.record.generation)
                other = seen.setdefault(key, worker.id)
                self.check(other == worker.id, f"{key} at home in {other} and {worker.id}")

    async def close(self) -> None:
        for worker in list(self.workers.values()):
            worker.dead = True
            worker.bus.close()
            await worker._close()


LIMITS = Limits()
STORM = Faults(drop=0.3, duplicate=0.2, jitter=0.2)
