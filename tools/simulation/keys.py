"""The device keys of one simulated worker: all is real but the bucket, and the questions between workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import MagicMock

from tests.relay.fakes import REGISTRATION_KEY
from tiflis.bus.devices.spread import FACT, Spread
from tiflis.bus.devices.store import DeviceStore
from tiflis.bus.presence import Facts, Peer, Presence
from tiflis.bus.seals import Seals
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.devices.sessions import DeviceSessions

if TYPE_CHECKING:
    from tools.simulation.worker import SimWorker
    from tools.simulation.world import World

PAIRING_SECONDS = 600.0
DAY = 1_700_000_000.0  # the time of day when a story begins
DELAY = (0.001, 0.05)  # seconds of a question, and of its answer
LOOK_SECONDS = 0.02  # between two looks whether all have answered
RING = Keyring([REGISTRATION_KEY])


def wall(world: World) -> Callable[[], float]:
    """Return the time of day in this world."""
    return lambda: DAY + world.loop.time()


class SimPresence:
    """Asks the other workers; a question or an answer may be lost. All that are alive are present."""

    def __init__(self, world: World, me: str) -> None:
        self._world, self._me = world, me
        self.acts: dict[str, Callable[[Facts], Facts]] = {}

    @property
    def peers(self) -> dict[str, Peer]:
        others = sorted(self._world.alive - {self._me})
        return {worker_id: Peer(worker_id, facts={FACT: True}) for worker_id in others}

    def missing(self) -> list[Peer]:
        """Return the workers that are neither present nor known to be dead: in these stories none."""
        return []

    def act(self, kind: str, do: Callable[[Facts], Facts]) -> None:
        self.acts[kind] = do

    async def ask(self, kind: str, deadline: float, whom: Callable[[str], bool], about: Facts) -> list[Facts]:
        answers: list[Facts] = []
        asked = list(filter(whom, self.peers))
        for worker_id in asked:
            self._carry(partial(self._answer, worker_id, kind, about, answers))
        end = self._world.loop.time() + deadline
        while len(answers) < len(asked) and self._world.loop.time() < end:
            await asyncio.sleep(LOOK_SECONDS)
        return list(answers)

    def _carry(self, arrive: Callable[[], None]) -> None:
        chance = self._world.chance
        if chance.random() >= self._world.network.faults.drop:
            self._world.loop.call_later(chance.uniform(*DELAY), arrive)

    def _linked(self, worker_id: str) -> SimWorker | None:
        worker = self._world.workers.get(worker_id)
        return worker if worker is not None and worker.link.up else None

    def _answer(self, worker_id: str, kind: str, about: Facts, answers: list[Facts]) -> None:
        worker = self._linked(worker_id)
        if worker is not None and self._linked(self._me) is not None:
            found = worker.presence.acts[kind](about)
            self._carry(lambda: answers.append(found))


def compose(worker: SimWorker) -> DeviceKeys:
    """Return the worker's device keys, as ``tiflis.worker.devices`` puts them together."""
    world, hub = worker.world, worker.hub
    store = DeviceStore(cast(Any, MagicMock()), Seals(RING.seal_keys()), 1 << 20)
    store._store = cast(Any, world.key_bucket)
    keys = DeviceKeys(store, RING, wall(world), PAIRING_SECONDS, worker.tasks.spawn)
    sessions = DeviceSessions(hub, keys, lambda: cast(Any, list(worker.sockets.open.values())))
    store.on_change = sessions.changed
    spread = Spread(cast(Presence, worker.presence), worker.id, store.changed)
    keys.confirm, hub.check_key = spread.confirm, sessions.check
    hub.router.keys = hub.gate.devices = keys
    for key, entry in world.key_bucket.stored.items():
        store.changed(key, entry.value, entry.revision)
    store.complete(None, 0)
    world.key_bucket.followers[worker.id] = store.changed
    return keys
