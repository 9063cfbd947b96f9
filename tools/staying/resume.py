"""Clients that are cut again and again: ``python -m tools.staying resume``."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed

from tests.harness import Crowd, Peer, Server, crowd
from tests.system.resuming import ResumingDevice
from tools.staying.returning import PATIENCE, return_device, return_workstation

PER_TUNNEL = 20  # clients
PAUSE = 1.0  # seconds between two messages of a workstation
AWAY = 0.5  # seconds that a client is away at most
GAP = "gap"  # stands in a client's notes where it has to synchronise


class Options(NamedTuple):
    clients: int = 40
    seconds: float = 20.0
    every: float = 15.0  # seconds between two cuts of a client
    kills: int = 0
    reloads: int = 0
    workers: int = 3


def _waits(message: dict[str, Any]) -> bool:
    """Return whether this is the answer to a client that may wait for its workstation."""
    code = message["payload"].get("code") if message["type"] == "error" else ""
    return code in ("WORKSTATION_OFFLINE", "SEND_FAILED")


class Client(ResumingDevice):
    """``story``: the numbers of the notes that it received, and GAP wherever it has to synchronise."""

    def __init__(self, server: Server, tunnel_id: str, device_id: str) -> None:
        super().__init__(server, tunnel_id, device_id)
        self.story: list[int | str] = []
        self.took: list[float] = []

    async def connect(self, worker: int | None = None) -> dict[str, Any]:
        began = time.monotonic()
        peer = await self.ask(worker)
        first = await peer.next(None, PATIENCE, lambda message: not _waits(message))
        assert first["type"] == "connected", first
        answer = dict(first["payload"])
        self.took.append(time.monotonic() - began)
        self.verdicts.append(answer.get("resume", {}).get("verdict", "none"))
        if self.verdicts[-1] != "ok":
            self.story.append(GAP)
        return answer

    def count(self) -> None:
        assert self.peer is not None
        for message in self.peer.seen[self._read :]:
            if message["type"] == "note":
                self.story.append(message["n"])
            elif message["type"] == "connection.workstation_online":
                self.story.append(GAP)  # a client synchronises then
        super().count()

    async def cut(self) -> None:
        assert self.peer is not None
        self.peer.abort()
        await self.peer.until_closed(PATIENCE)
        self.count()


class Tunnel:
    """A workstation that counts aloud, and comes back when its worker is killed."""

    def __init__(self, people: Crowd, workstation: Peer, tunnel_id: str) -> None:
        self._people, self._workstation, self.id = people, workstation, tunnel_id
        self.sent = 0

    async def talk(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                await self._workstation.send({"type": "note", "n": self.sent})
                self.sent += 1
                await asyncio.sleep(PAUSE)
            except ConnectionClosed:
                self._workstation = await return_workstation(self._people, self.id)


class Result(NamedTuple):
    options: Options
    verdicts: Counter[str]
    messages: int  # that clients should have received, between two GAPs
    lost: int  # of those: each is a false ok
    doubled: int
    took: list[float]

    def text(self) -> str:
        """Return the figures in words."""
        cuts = statistics.quantiles(self.took, n=100)
        once = 100 * (1 - (self.lost + self.doubled) / max(1, self.messages))
        of = self.options
        cut = f"{of.clients} clients, {len(self.took)} connects, {of.kills} kills, {of.reloads} reloads"
        lines = [f"resume: {cut}: {dict(self.verdicts)}"]
        lines.append(f"  delivered once {once:.3f} % of {self.messages:,} messages")
        lines.append(f"  lost after ok {self.lost}, doubled {self.doubled}")
        p50, p99 = cuts[49] * 1000, cuts[98] * 1000
        lines.append(f"  from TCP connect to connected: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        return "\n".join(lines)


async def measure(options: Options) -> Result:
    """Cut each client every so many seconds, while workers are killed and replaced."""
    env = {"LIVENESS_TIMEOUT": "120", "STAY_MESSAGES": "4096"}
    with Server(workers=options.workers, env=env) as server:
        async with crowd(server) as people:
            return await cut_clients(people, options, partial(_disturb, server, options))


async def cut_clients(
    people: Crowd, options: Options, disturb: Callable[[float], Coroutine[Any, Any, None]]
) -> Result:
    """Cut each client every so many seconds until ``disturb``, which is given the end's time, is over."""
    tunnels, clients = list[Tunnel](), list[Client]()
    for number in range(options.clients):
        if number % PER_TUNNEL == 0:
            tunnels.append(Tunnel(people, *await people.workstation(deadline=PATIENCE)))
        clients.append(Client(people.server, tunnels[-1].id, f"phone-{number}"))
        await return_device(clients[-1])
    end = time.monotonic() + options.seconds
    await asyncio.gather(
        disturb(end),
        *(tunnel.talk(end + 1) for tunnel in tunnels),
        *(_live(client, options.every, end) for client in clients),
    )
    for client in clients:
        await _settle(client)
        assert client.peer is not None
        await client.peer.close()
    return _result(options, clients)


async def _live(client: Client, every: float, end: float) -> None:
    """Cut a client, each time after about as many seconds, and connect it again."""
    while (pause := random.uniform(0.5, 1.5) * every) < end - time.monotonic():
        await asyncio.sleep(pause)
        await client.cut()
        await asyncio.sleep(random.uniform(0, AWAY))
        await return_device(client)


async def _disturb(server: Server, options: Options, end: float) -> None:
    """Kill and replace workers, evenly over the time."""
    acts = ["kill"] * options.kills + ["reload"] * options.reloads
    random.shuffle(acts)
    pause = (end - time.monotonic()) / (len(acts) + 1)
    for number, act in enumerate(acts, 1):
        await asyncio.sleep(max(0.0, end - options.seconds + number * pause - time.monotonic()))
        while len(pids := list(server.worker_pids().values())) < options.workers:
            await asyncio.sleep(0.05)
        if act == "kill":
            with contextlib.suppress(ProcessLookupError):
                server.kill_worker(random.choice(pids))
        else:
            await asyncio.to_thread(server.control, "reload", 10 * PATIENCE)


async def _settle(client: Client) -> None:
    """Receive all that is on its way, over a new socket if the last one has broken."""
    for _ in range(3):
        assert client.peer is not None
        with contextlib.suppress(AssertionError, ConnectionClosed):
            await client.peer.settle(PATIENCE)
            client.count()
            return
        client.count()
        await return_device(client)


def _result(options: Options, clients: list[Client]) -> Result:
    verdicts = Counter(verdict for client in clients for verdict in client.verdicts)
    took = [seconds for client in clients for seconds in client.took]
    messages = lost = doubled = 0
    for client in clients:
        last: int | None = None
        for entry in client.story:
            if isinstance(entry, str):
                last = None
                continue
            if last is not None:
                messages += max(0, entry - last)
                lost += max(0, entry - last - 1)
                doubled += entry <= last
            last = entry if last is None else max(last, entry)
    return Result(options, verdicts, messages, lost, doubled, took)
