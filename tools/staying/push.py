"""How often each notification is posted while workers are killed: ``python -m tools.staying push``."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
from collections import Counter
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed

from tests.harness import Crowd, Peer, Server, crowd
from tests.system.push_service import PushService
from tests.system.resuming import ResumingDevice
from tests.system.test_push import Api, done
from tools.staying.returning import PATIENCE, return_workstation

ANSWERS_PER_KILL = 3
POST_SECONDS = 0.03  # that the push service takes to answer: workers are killed in the middle of POSTs
LAST_SECONDS = 30.0  # for the last notifications


class Result(NamedTuple):
    """``lost``: events without a POST. ``repeated``: those with several. ``shown_twice``: those of which a
    browser would show two notifications, as their POSTs differ in topic or tag. ``took``: seconds from the
    end of an answer to its POST, of answers without a kill."""

    kills: int
    events: int
    lost: list[str]
    repeated: list[str]
    shown_twice: list[str]
    took: list[float]

    def text(self) -> str:
        """Return the figures in words."""
        lines = [f"push: {self.kills} kills, {self.events} events: lost {len(self.lost)}"]
        lines.append(f"  posted again {len(self.repeated)}, shown twice {len(self.shown_twice)}")
        if len(self.took) > 1:
            p95 = statistics.quantiles(self.took, n=20)[18]
            lines.append(f"  end of answer to POST, without a kill: p95 {p95 * 1000:.0f} ms")
        return "\n".join(lines)


class SlowService(PushService):
    """Takes a moment for each POST; ``at``: when those of each session's event came."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, float] = {}

    async def before_answer(self, message: dict[str, Any]) -> None:
        self.at.setdefault(message["tiflis"]["session"], time.monotonic())
        await asyncio.sleep(POST_SECONDS)


class Desk:
    """A workstation that ends answers, each in a session of its own. After a lost socket it ends those again
    of which it cannot know whether they were read."""

    def __init__(self, people: Crowd, peer: Peer, tunnel_id: str) -> None:
        self._people, self.peer, self._tunnel_id = people, peer, tunnel_id
        self.ended: dict[str, float] = {}
        self._unsure: list[str] = []

    async def end(self, session: str) -> None:
        self.ended[session] = time.monotonic()
        self._unsure.append(session)
        with contextlib.suppress(ConnectionClosed):
            await done(self.peer, session, session)

    async def settle(self) -> None:
        """Wait until everything was read; come back and repeat what was not."""
        while True:
            with contextlib.suppress(AssertionError, ConnectionClosed):
                await self.peer.settle(PATIENCE)
                self._unsure.clear()
                return
            self.peer = await return_workstation(self._people, self._tunnel_id)
            for session in self._unsure:
                with contextlib.suppress(ConnectionClosed):
                    await done(self.peer, session, session)


async def measure(kills: int, workers: int = 4, calm: int = 40) -> Result:
    """Kill a worker, each second time the tunnel's home, while answers end. ``calm``: timed answers before
    that."""
    async with SlowService() as service:
        env = {"PUSH_SERVICES": service.origin, "LIVENESS_TIMEOUT": "120", "STEERING": "false"}
        with Server(workers=workers, env=env) as server:
            async with crowd(server) as people:
                return await _measure(people, service, kills, [f"calm-{one}" for one in range(calm)])


async def _measure(people: Crowd, service: SlowService, kills: int, calm: list[str]) -> Result:
    peer, tunnel_id = await people.workstation()
    phone = ResumingDevice(people.server, tunnel_id)
    await phone.connect()
    async with Api(people.server, tunnel_id) as api:
        await api.subscribe(service)
    await phone.cut()
    desk = Desk(people, peer, tunnel_id)
    for session in calm:
        await desk.end(session)
        await _until(service, desk.ended)
    for number in range(kills):
        await _kill(people.server, desk, number)
    await _until(service, desk.ended)
    return _result(service, desk, kills, calm)


async def _kill(server: Server, desk: Desk, number: int) -> None:
    pids = list(server.worker_pids().values())
    home = server.worker_of(desk.peer)
    victim = home if number % 2 and home in pids else random.choice(pids)
    for answer in range(ANSWERS_PER_KILL):
        await desk.end(f"{number}-{answer}")
        await asyncio.sleep(random.uniform(0, 2 * POST_SECONDS / ANSWERS_PER_KILL))
    with contextlib.suppress(ProcessLookupError):
        server.kill_worker(victim)
    await desk.settle()
    while len(server.worker_pids()) < len(pids):
        await asyncio.sleep(0.02)


async def _until(service: SlowService, ended: dict[str, float]) -> None:
    """Wait for a POST of every event, for a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while not set(ended) <= set(service.at):
                await asyncio.sleep(0.01)


def _result(service: SlowService, desk: Desk, kills: int, calm: list[str]) -> Result:
    posts = Counter(message["tiflis"]["session"] for message in service.pushed)
    kinds: dict[str, set[tuple[str, str]]] = {}
    for message in service.pushed:
        kind = (message["headers"]["topic"], message["notification"]["tag"])
        kinds.setdefault(message["tiflis"]["session"], set()).add(kind)
    return Result(
        kills,
        len(desk.ended),
        [session for session in desk.ended if session not in posts],
        [session for session, count in posts.items() if count > 1],
        [session for session, found in kinds.items() if len(found) > 1],
        [service.at[session] - desk.ended[session] for session in calm if session in service.at],
    )
