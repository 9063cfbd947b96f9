"""N12: devices resume while workers, the bus and main are not as usual."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from tests.harness import Server, crowd
from tools.faults.bus import OVER_THE_BUS, kill_bus, stopped
from tools.faults.processes import all_new
from tools.faults.restarts import reload
from tools.faults.run import Run, scenario
from tools.staying.resume import Options, cut_clients

WORKERS = 3
ENVIRONMENT = OVER_THE_BUS | {"LIVENESS_TIMEOUT": "120", "STAY_MESSAGES": "4096"}


async def worker_dies(run: Run, server: Server) -> None:
    victim = run.dice.choice(list(server.worker_pids().values()))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    await all_new(server, {victim})


async def worker_dies_beside_main(run: Run, server: Server) -> None:
    """Main cannot replace it for a moment."""
    victim = run.dice.choice(list(server.worker_pids().values()))
    with stopped(server.pid):
        os.kill(victim, signal.SIGKILL)
        await asyncio.sleep(run.dice.uniform(0.5, 2))
    await all_new(server, {victim})


async def worker_stands_still(run: Run, server: Server) -> None:
    with stopped(run.dice.choice(list(server.worker_pids().values()))):
        await asyncio.sleep(run.dice.uniform(0.5, run.size(18, 2)))


async def bus_dies(run: Run, server: Server) -> None:
    await kill_bus(server, run.dice.uniform(0, 2))


async def workers_are_replaced(run: Run, server: Server) -> None:
    await reload(server)


ACTS: list[Callable[[Run, Server], Awaitable[None]]] = [
    worker_dies,
    bus_dies,
    worker_stands_still,
    worker_dies_beside_main,
    workers_are_replaced,
]


async def disturb(run: Run, server: Server, done: Counter[str], end: float) -> None:
    """Do one act after the other, with pauses between them."""
    acts = list(ACTS[: run.size(len(ACTS), 3)])
    while time.monotonic() < end:
        act = acts.pop(0) if acts else run.dice.choice(ACTS)
        await act(run, server)
        done[act.__name__] += 1
        await asyncio.sleep(run.dice.uniform(0.2, 1))


@scenario("N12", "devices resume while workers, the bus and main are not as usual", 600)
async def resumed_through_it_all(run: Run) -> None:
    options = Options(run.size(200, 20), run.size(180, 5), run.size(5, 1), workers=WORKERS)
    done = Counter[str]()
    with run.server(workers=WORKERS, env=ENVIRONMENT) as server:
        async with crowd(server) as people:
            found = await cut_clients(people, options, partial(disturb, run, server, done))
    run.most("lost after ok", found.lost, 0)
    run.most("doubled", found.doubled, 0)
    run.least("resumed with ok", found.verdicts["ok"], options.clients)
    run.least("messages", found.messages, options.clients)
    run.note(f"{dict(found.verdicts)} in {dict(done)}")
