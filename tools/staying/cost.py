"""CPU per message of clients that do not ask to resume: ``python -m tools.staying cost``."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from typing import NamedTuple

from tests.harness import Crowd, Peer, Server, crowd
from tools.staying.returning import PATIENCE

CLIENTS = 20
BATCH = 200  # messages between two round trips


class Result(NamedTuple):
    """CPU of the workers in microseconds per message and client, of each round."""

    on: list[float]
    off: list[float]

    def text(self) -> str:
        """Return the figures in words."""
        on, off = statistics.median(self.on), statistics.median(self.off)
        return (
            f"cost: clients that do not ask: {on:.2f} µs per message with STAY, {off:.2f} µs without;"
            f" {100 * (on / off - 1):+.1f} % (median of {len(self.on)} rounds each)"
        )


class Load(NamedTuple):
    """A workstation and its clients, at a server of one worker."""

    server: Server
    workstation: Peer
    clients: list[Peer]

    @classmethod
    async def begin(cls, people: Crowd) -> Load:
        workstation, tunnel_id = await people.workstation(deadline=PATIENCE)
        names = [f"phone-{number}" for number in range(CLIENTS)]
        clients = [await people.client(tunnel_id, device_id=name, deadline=PATIENCE) for name in names]
        return cls(people.server, workstation, clients)

    async def run(self, messages: int) -> float:
        """Relay so many messages to every client; return the CPU in microseconds per message and client."""
        before = self._cpu()
        for start in range(0, messages, BATCH):
            for number in range(start, start + BATCH):
                await self.workstation.send({"type": "note", "n": number})
            await self.workstation.settle(PATIENCE)
            await asyncio.gather(*(client.settle(PATIENCE) for client in self.clients))
        return (self._cpu() - before) * 1e6 / (messages * CLIENTS)

    def _cpu(self) -> float:
        """Return the seconds of CPU that the worker has used."""
        [pid] = self.server.worker_pids().values()
        fields = Path(f"/proc/{pid}/schedstat").read_text().split()
        return int(fields[0]) / 1e9


async def measure(messages: int, rounds: int) -> Result:
    """Measure in turn at a server with STAY and at one without."""
    with Server(workers=1) as on, Server(workers=1, env={"STAY": "off"}) as off:
        async with crowd(on) as with_stay, crowd(off) as without:
            loads = [await Load.begin(with_stay), await Load.begin(without)]
            found = [[await load.run(messages) for load in loads] for _ in range(rounds)]
    return Result([one for one, _ in found], [one for _, one in found])
