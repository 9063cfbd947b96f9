"""N7: processes of the server stand still, as when they are stopped, swapped out or starved."""

from __future__ import annotations

import asyncio

from tests.harness import AUTH_KEY, Server, eventually
from tests.rawsocket import RawSocket
from tiflis.bus.presence import LEASE_SECONDS
from tools.faults.bus import OVER_THE_BUS, nats, stopped
from tools.faults.enter import connect, kept_alive, register
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, closed_of
from tools.faults.run import Company, Run, scenario

PAUSE_SECONDS = 18.0  # above every deadline on a peer; below the 20 s after which main replaces a worker
SHORT = {
    "LIVENESS_TIMEOUT": "3",
    "LIVENESS_INTERVAL": "0.5",
    "PROBE_INTERVAL": "3",
    "PROBE_TIMEOUT": "3",
    "ROLE_DEADLINE": "4",
}
SHORT_PAUSE_SECONDS = 6.0  # above both of a probe's intervals
PING_SECONDS = 1.0


class Quiet:
    """Sockets of every kind that do nothing but ping, or answer protocol pings."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.sockets: list[RawSocket] = []

    async def come(self) -> None:
        """Connect a workstation with a superseded one and a client, and a client that waits for its
        workstation."""
        old = await self._open()
        tunnel = await register(old)
        await register(await self._open(), tunnel)
        await connect(await self._open(), tunnel, "quiet")
        gone = await RawSocket.open("127.0.0.1", self._server.port)
        left = await register(gone)
        gone.close()
        pending = await self._open()
        said = {"tunnel_id": left, "auth_key": AUTH_KEY, "device_id": "pending"}
        while (await pending.ask({"type": "connect", "payload": said}))["type"] != "error":
            await asyncio.sleep(0.1)

    async def _open(self) -> RawSocket:
        self.sockets.append(await RawSocket.open("127.0.0.1", self._server.port))
        return self.sockets[-1]

    def closed(self) -> int:
        return sum(socket.closed is not None for socket in self.sockets)


@scenario("N7", "a worker, then everything, stands still for 18 s", 200, in_tests=True, company=Company.ALONE)
async def standing_still(run: Run) -> None:
    pause = run.size(PAUSE_SECONDS, SHORT_PAUSE_SECONDS)
    with run.server(workers=2, env=run.size({}, SHORT)) as server:
        quiet = Quiet(server)
        for _ in range(4):
            await quiet.come()
        async with (
            kept_alive(*quiet.sockets, every=PING_SECONDS),
            Load(server, seed=run.seed, tunnels=4, clients=2, rate=5, largest=8 << 10) as load,
        ):
            load.start()
            everything = [*server.processes()]
            for still in ([min(server.worker_pids().values())], everything):
                await asyncio.sleep(2)
                newcomer = await RawSocket.open("127.0.0.1", server.port)
                with stopped(*still):
                    # Within its deadline for a role, whenever that is read.
                    entering = asyncio.create_task(register(newcomer, deadline=pause + PATIENCE))
                    await asyncio.sleep(pause)
                await entering
                newcomer.close()
                await eventually(lambda: server.status("/readyz") == 200, PATIENCE, "ready again")
            await asyncio.sleep(run.size(8, 4))  # a look for silent sockets, and a probe
            await load.finish()
            assert nats(server) in everything, "the bus was replaced"
            run.most("sockets closed that ping", closed_of(load, load.tunnel_ids()) + quiet.closed(), 0)
            run.most("workers taken for hung", server.logs().count("worker hangs"), 0)
            run.faithful(load.ledger)
            run.note(f"{len(load.errors)} errors reported, longest way {load.ledger.longest():.1f} s")


@scenario("N7a", "a worker that clients reach over the bus stands still for 10 s", 200, in_tests=True)
async def home_stands_still(run: Run) -> None:
    """It is silent for longer than its lease, while its tunnels' clients in the other worker go on."""
    with run.server(workers=2, env=OVER_THE_BUS) as server:
        async with Load(server, seed=run.seed, tunnels=8, clients=3, rate=10) as load:
            load.start()
            for still in run.size(
                (*server.worker_pids().values(),) * 2, (min(server.worker_pids().values()),)
            ):
                await asyncio.sleep(1)
                with stopped(still):
                    await asyncio.sleep(run.size(10, LEASE_SECONDS + 2))
                await eventually(lambda: server.status("/readyz") == 200, PATIENCE, "ready again")
                await asyncio.sleep(3)
            await load.finish()
            run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
            run.faithful(load.ledger)
            run.note(f"{len(load.errors)} errors reported, longest way {load.ledger.longest():.1f} s")
