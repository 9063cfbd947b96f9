"""One simulated worker: the real relay, channels, claims and handover on simulated surroundings."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, MutableSet
from typing import TYPE_CHECKING, Any, TypeVar, cast
from unittest.mock import MagicMock

from tests.bus.simulation import SimLink
from tests.relay.fakes import REGISTRATION_KEY, FakeDesk
from tiflis.bus.channels.bus import Bus
from tiflis.bus.channels.channel import Channel, ChannelHandler
from tiflis.bus.directory.directory import Record
from tiflis.handoff.receiver import HandoffReceiver
from tiflis.handoff.sender import HandoffSender
from tiflis.ipc.fd_passing import HandoffFailed
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import Limiter, Looks
from tiflis.relay.authenticator import Authenticator
from tiflis.relay.claims import Claims
from tiflis.relay.held.store import HeldStore
from tiflis.relay.home import Home
from tiflis.relay.hub import Hub
from tiflis.relay.maintenance import Maintenance
from tiflis.relay.migration import Migration
from tiflis.relay.pinned import Kind, Pinned
from tiflis.relay.remote.edge import Edge
from tiflis.relay.router import Router
from tiflis.relay.sessions.pending import PendingSession
from tiflis.relay.tasks import Tasks
from tiflis.relay.watch.operations import QueueLimits, WatchOperations
from tools.simulation import keys
from tools.simulation.lines import Line, SimSockets
from tools.simulation.stores import BucketWatcher

if TYPE_CHECKING:
    from tools.simulation.world import World

BUS_DRAIN_SECONDS = 1.5  # as a worker has that ends
CHECK_SECONDS = 2.5  # between two looks for dead connections
HELD_SECONDS = 48 * 3600.0  # that the bucket keeps a record
RING = Keyring([REGISTRATION_KEY])

T = TypeVar("T")


class WorkerDied(Exception):
    """The worker has died before it could answer."""


class Ordered(MutableSet[Any]):
    """A set in the order of arrival: a set of objects has another in every process."""

    def __init__(self) -> None:
        self._items: dict[Any, None] = {}

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Any:
        return iter(list(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def add(self, value: Any) -> None:
        self._items[value] = None

    def discard(self, value: Any) -> None:
        self._items.pop(value, None)


class SimHome(Home):
    """A home that says the same in the same order in every process."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.here, self.edge_sessions = cast(Any, (Ordered(), Ordered()))


def held_store(world: World) -> HeldStore:
    """Return the real store over the simulated bucket."""
    store = HeldStore(cast(Any, MagicMock()), HELD_SECONDS)
    store._bucket, store.ready = cast(Any, world.held_bucket), True
    return store


class SimWorker:
    """One worker's life."""

    def __init__(self, world: World, slot: int) -> None:
        self.world = world
        self.id = f"sim-{slot}-{next(world.incarnations)}"
        self.slot = slot
        self.tasks = Tasks()
        self.sockets = SimSockets(self.id, world.loop, world.cellar, world.limits)
        follower = BucketWatcher(world, self.id)
        claims = Claims(cast(Any, follower), RING, self.id, 0.0)
        gate = Authenticator(
            claims, RING, Limiter(None, world.loop.time, lambda data: None, Looks(new_tunnels=1000))
        )
        self.link = SimLink(world.network)
        self.link.up = world.bus_up
        self.bus = Bus(cast(Any, self.link), self.id, self._accept, cast(Any, world.loop), 1)
        router = Router(
            self.id, world.limits, claims, world.alive.__contains__, self._polled, self.tasks, self.bus.open
        )
        self.hub = Hub(router, Migration(router, claims), claims, gate)
        self.hub.router._home = cast(Any, self._make_home)
        if world.holds:
            self.hub.router.held_store = held_store(world)
        self.dead = False
        self.death: asyncio.Future[None] = world.loop.create_future()
        self.hub.router.later = self._later  # type: ignore[method-assign]  # a dead process has no timers
        self.pinned = Pinned()
        self.maintenance = Maintenance(self.hub.router, self.hub.migration, claims, self.pinned)
        self.presence = keys.SimPresence(world, self.id)
        self.keys = keys.compose(self)
        follower.on_change = self.hub.migration.directory_changed
        self.adoption = HandoffReceiver(self.hub, cast(Any, self.sockets), 1 << 20)
        self.accepting = True
        if world.steering:
            self.hub.migration.steering = self
        world.alive.add(self.id)
        world.workers[self.id] = self
        world.loop.call_later(CHECK_SECONDS, self._check)

    def _make_home(self, router: Router, record: Record) -> Home:
        home = SimHome(router, record)
        home.held._wall = keys.wall(self.world)
        return home

    def _polled(self, home: Home) -> Any:
        if home.tunnel_id not in self.world.watched:
            return FakeDesk()
        account = self.pinned.account(home.tunnel_id)
        limits, clock = QueueLimits(stay=self.world.stay), self.world.loop.time
        return WatchOperations(home.tunnel_id, home, self.world.shelf, limits, clock, account=account)

    def measure(self) -> None:
        """Measure as a worker does regularly."""
        self.pinned.sample(Kind.BUS, self.bus.unconsumed())
        self.pinned.sample(Kind.WAITING, self.maintenance.waiting())

    def _check(self) -> None:
        if not self.dead:
            self.sockets.check()
            self.measure()
            self.world.loop.call_later(CHECK_SECONDS, self._check)

    def _later(self, delay: float, callback: Any, /) -> Any:
        return self.world.loop.call_later(delay, lambda: None if self.dead else callback())

    def _accept(self, channel: Channel) -> ChannelHandler:
        return self.hub.migration.accept(channel)

    async def steer(self, pending: PendingSession, worker: str, /) -> bool:
        return await self._handover(worker).steer(pending)

    def least_loaded(self) -> str:
        return ""

    def straighten(self, edge: Edge) -> None: ...

    def _handover(self, worker: str) -> HandoffSender:
        return HandoffSender(
            self.id, self.hub, cast(Any, self.sockets), cast(Any, Courier(self.world, worker))
        )

    async def ask(self, call: Coroutine[Any, Any, T]) -> T:
        """Return the answer to a call of an HTTP API. Raise what the call raises, WorkerDied."""
        answer = asyncio.create_task(call)
        try:
            ends: list[asyncio.Future[Any]] = [answer, self.death]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or self.sockets.crashed:
                raise WorkerDied
            return answer.result()
        finally:
            answer.cancel()

    def accept(self, line: Line, address: str) -> None:
        wire = self.sockets.make(address)
        wire.line, line.wire = line, wire
        wire.session = cast(Any, self.hub.pending_session(wire, "ws://here/ws"))

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
        await self.maintenance.leave()
        if self.sockets.crashed:
            return
        if not await self.bus.leave(BUS_DRAIN_SECONDS):
            self.world.count("left with debts")
        if not self.sockets.crashed:
            await self.end()

    async def end(self) -> None:
        """Say goodbye to the others; what is still open ends with the process."""
        self.stop_hearing()
        await self._close()
        for wire in list(self.sockets.open.values()):
            wire.close(1006)
        self.world.gone(self.id)

    async def _close(self) -> None:
        await self.tasks.close()
        for home in self.hub.router.homes.values():
            if isinstance(home.watches, WatchOperations):
                await home.watches.close()

    def stop_hearing(self) -> None:
        self.dead = True
        self.death.set_result(None)
        self.bus.close()
        self.link.up = False
        self.world.store.followers.pop(self.id, None)
        self.world.key_bucket.followers.pop(self.id, None)
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
        await self._close()


class Courier:
    """The line to another worker over which sockets go; now and then it fails."""

    def __init__(self, world: World, worker: str) -> None:
        self._world, self._worker = world, worker

    async def send(self, body: bytes, descriptors: list[int]) -> bytes:
        world, lines = self._world, [self._world.cellar.lines[one] for one in descriptors]
        try:
            await asyncio.sleep(world.dice.uniform(*world.courier))
        except asyncio.CancelledError:
            for line in lines:  # they end with the process
                line.cut()
            raise
        worker = world.workers.get(self._worker)
        if worker is None or world.dice.random() < world.refusals:
            world.count("handoff refused")
            raise HandoffFailed("not there")
        passed = [world.cellar.duplicate(one) for one in descriptors]
        serving = asyncio.create_task(worker.adoption.serve(body, passed))
        world.servings.append(serving)
        answer = await asyncio.shield(serving)
        await asyncio.sleep(world.dice.uniform(*world.courier))
        if worker.sockets.crashed:
            for line in lines:
                if line.wire is None:
                    line.cut()
            raise HandoffFailed("ended while it took them", undecided=True)
        return answer
