"""F1 to F3: processes that die."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time

from tests.harness import Server, eventually
from tests.rawsocket import RawSocket
from tools.faults.load import Load
from tools.faults.run import Company, Run, scenario

RESPAWN_SECONDS = 1.0
PATIENCE = 20.0
# Asking for the status takes a second while main waits for the word of a worker that has just died.
READY = re.compile(r'"worker ready", "logger": "tiflis.worker.service".*"pid": (\d+)')


async def all_new(server: Server, dead: set[int]) -> float:
    """Seconds until all workers are ready and none of them is one of the dead."""
    began = time.monotonic()

    def ready() -> bool:
        now = set(server.worker_pids().values())
        told = set(map(int, READY.findall(server.logs())))
        return len(now) == server.workers and not now & dead and now <= told

    await eventually(ready, PATIENCE, "all workers are ready")
    return time.monotonic() - began


@scenario("F1", "SIGKILL of a random worker, all but one, 20 times", 400, company=Company.ALONE)
async def workers_die(run: Run) -> None:
    kills = run.size(20, 3)
    with run.server(workers=3) as server:
        async with Load(server, seed=run.seed, tunnels=run.size(20, 8), clients=2, rate=10) as load:
            load.reconnects = True
            load.start()
            untouched, respawn, serving = load.tunnel_ids(), 0.0, 0.0
            keeper, *_ = await asyncio.to_thread(lambda: list(load.homes().values()))
            for _ in range(kills):
                homes = await asyncio.to_thread(load.homes)
                victim = run.dice.choice(sorted(set(server.worker_pids().values()) - {keeper}))
                killed = {tunnel for tunnel, pid in homes.items() if pid == victim}
                # Clients may be on a worker that is not their tunnel's home (it was full or they came early).
                untouched -= killed | {end.tunnel for end in load.ends if end.socket.closed is not None}
                began = time.monotonic()
                await asyncio.to_thread(server.kill_worker, victim)
                await asyncio.to_thread(server.get, "/healthz", 10)
                serving = max(serving, time.monotonic() - began)
                respawn = max(respawn, await all_new(server, {victim}))
                await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
                await asyncio.sleep(0.3)
            run.most("sockets of other tunnels closed", closed_of(load, untouched), 0)
            await load.finish()
            heard = [end.control for end in load.ends if end.closed and end.name != "ws"]
            run.most("an answer from the rest", serving, RESPAWN_SECONDS + run.slack(load.lag), " s")
            run.most("a new worker ready", respawn, RESPAWN_SECONDS + run.slack(load.lag), " s")
            run.most("tunnels that changed their id", sum(not end.tunnel for end in load.workstations), 0)
            run.least("other tunnels", len(untouched), 1)
            run.most("lost on other tunnels", load.ledger.lost(untouched), 0)
            run.most("doubled", load.ledger.doubled(), 0)
            run.most("reordered", load.ledger.reordered(), 0)
            run.most("wrong tunnel", load.ledger.strangers, 0)
            run.most(
                "their longest way",
                load.ledger.longest(1, untouched),
                0.1 + run.slack(load.lag),
                " s",
            )
            run.note(f"{len(untouched)} tunnels untouched, {len(heard)} clients came back, "
                     f"{len(load.errors)} errors reported, lost with their worker {load.ledger.lost()}, "
                     f"own lag {load.lag:.3f} s")  # fmt: skip


def all_back(load: Load) -> bool:
    return all(end.socket.closed is None for end in load.ends)


def closed_of(load: Load, tunnels: set[str]) -> int:
    return sum(len(end.closed) for end in load.ends if end.tunnel in tunnels)


@scenario("F2", "SIGKILL of all workers at once", 120, company=Company.ALONE)
async def all_workers_die(run: Run) -> None:
    with run.server(workers=2) as server:
        async with Load(server, seed=run.seed, tunnels=4, clients=2) as load:
            load.reconnects = True
            load.start()
            slowest = 0.0
            for _ in range(run.size(5, 1)):
                dead = set(server.worker_pids().values())
                began = time.monotonic()
                for pid in dead:
                    os.kill(pid, signal.SIGKILL)
                socket = await RawSocket.open("127.0.0.1", server.port)  # accepted while nobody lives
                socket.close()
                slowest = max(slowest, time.monotonic() - began)
                await all_new(server, dead)
                await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
            await asyncio.sleep(0.5)
            await load.finish()
            run.most("served again", slowest, 3 + run.slack(load.lag), " s")
            run.most("doubled", load.ledger.doubled(), 0)
            run.most("wrong tunnel", load.ledger.strangers, 0)


@scenario("F3", "SIGKILL of the main process", 120, company=Company.ALONE)
async def main_dies(run: Run) -> None:
    with run.server(workers=2) as server:
        slowest = 0.0
        for _ in range(run.size(5, 1)):
            began = time.monotonic()
            server.kill_main()
            await eventually(lambda: not server.processes(), PATIENCE, "workers and bus are gone")
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.to_thread(server.start)
        run.most("workers and bus gone", slowest, 2, " s")
        run.least("started again on the port", float(server.status("/readyz", 5) == 200), 1)
