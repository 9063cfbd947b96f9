"""Numbered, checksummed messages in both directions over several tunnels, and a check that they arrived."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.harness import Crowd, Peer

SIZES = (10, 200, 3_000, 70_000)


@dataclass
class Verdict:
    """The errors that were found, one short line each."""

    sent: int = 0
    arrived: int = 0
    wrong: list[str] = field(default_factory=list)


class Traffic:
    """Devices that send to their workstation, which answers each message to its sender."""

    def __init__(self, seed: int, sizes: tuple[int, ...] = SIZES, pace: float = 0.02) -> None:
        self._random = random.Random(seed)
        self._sizes, self._pace = sizes, pace
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._peers: list[Peer] = []
        self._sent: Counter[Peer] = Counter()
        self.verdict = Verdict()

    async def begin(self, crowd: Crowd, tunnels: int, devices: int) -> list[tuple[Peer, str]]:
        """Connect all peers; return the workstations with their tunnel ids."""
        stations = []
        for _ in range(tunnels):
            station, tunnel_id = await crowd.workstation()
            stations.append((station, tunnel_id))
            clients = [await crowd.client(tunnel_id, device_id=f"device-{n}") for n in range(devices)]
            self._peers += [station, *clients]
            self._tasks += [asyncio.create_task(self._answer(station)), *map(self._start, clients)]
        return stations

    def _start(self, client: Peer) -> asyncio.Task[None]:
        return asyncio.create_task(self._device(client))

    def _body(self) -> dict[str, Any]:
        body = self._random.randbytes(self._random.choice(self._sizes) // 2).hex()
        return {"body": body, "sum": _sum(body)}

    async def _device(self, client: Peer) -> None:
        reading = asyncio.create_task(self._read(client))
        number = 0
        while not self._stop.is_set():
            number += 1
            await client.send(
                {"type": "session.execute", "id": f"r{number}", "number": number} | self._body()
            )
            self._sent[client] = number
            self.verdict.sent += 1
            await asyncio.sleep(self._pace)
        await client.next("answer", 30, lambda message: message["number"] == number)
        reading.cancel()

    async def _read(self, client: Peer) -> None:
        """Check that answers arrive in order, none twice."""
        expected = 1
        seen = 0
        while True:
            while seen < len(client.seen):
                message = client.seen[seen]
                seen += 1
                if message["type"] == "answer":
                    self._check("down", message, expected)
                    expected = message["number"] + 1
                elif message["type"] not in ("connected",):
                    self.verdict.wrong.append(f"a device got {message['type']}")
            await asyncio.sleep(self._pace)

    async def _answer(self, station: Peer) -> None:
        expected: Counter[str] = Counter()
        while True:
            message = await station.next(deadline=600)
            if message["type"] != "session.execute":
                self.verdict.wrong.append(f"a workstation got {message['type']}")
                continue
            device = message["device_id"]
            self._check("up", message, expected[device] + 1)
            expected[device] = message["number"]
            self.verdict.arrived += 1
            answer = {"type": "answer", "number": message["number"]} | self._body()
            await station.send(
                {"type": "forward.to_device", "device_id": device, "payload": json.dumps(answer)}
            )

    def _check(self, way: str, message: dict[str, Any], expected: int) -> None:
        if message["number"] != expected:
            self.verdict.wrong.append(f"{way}: {message['number']} instead of {expected}")
        if _sum(message["body"]) != message["sum"]:
            self.verdict.wrong.append(f"{way}: {message['number']} is damaged")

    async def end(self) -> Verdict:
        """Wait for everything to arrive; return a verdict on what did not."""
        self._stop.set()
        stations = [task for task in self._tasks if task.get_coro().__name__ == "_answer"]  # type: ignore[union-attr] # coroutines all
        devices = [task for task in self._tasks if task not in stations]
        for outcome in await asyncio.gather(*devices, return_exceptions=True):
            if isinstance(outcome, BaseException):
                self.verdict.wrong.append(f"a device: {outcome}"[:300])
        for task in stations:
            task.cancel()
        closed = [peer for peer in self._peers if peer.closed is not None]
        if closed:
            self.verdict.wrong.append(f"{len(closed)} sockets closed, the first with {closed[0].closed}")
        return self.verdict


def _sum(body: str) -> str:
    return hashlib.md5(body.encode()).hexdigest()
