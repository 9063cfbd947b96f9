"""F7 to F10: the bus goes away, hangs, or comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from tests.harness import Server, eventually
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, all_back, all_new, closed_of
from tools.faults.run import Company, Run, resident, scenario

MIB = 1 << 20
JUDGED = 2  # tunnels that no killed worker had to do with
OVER_THE_BUS = {"STEERING": "off"}  # half of the clients are on another worker than their workstation


def nats(server: Server) -> int:
    pid = server.nats_pid()
    assert pid is not None, "the bus does not run"
    return pid


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Hold processes still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def kill_bus(server: Server, away: float) -> float:
    """SIGKILL the bus and keep it away for so long (its successors are held still); how long it took."""
    began = time.monotonic()
    os.kill(nats(server), signal.SIGKILL)
    end = began + away
    held: list[int] = []
    while time.monotonic() < end:
        pid = server.nats_pid()
        if pid is not None and pid not in held:
            os.kill(pid, signal.SIGSTOP)
            held.append(pid)
        await asyncio.sleep(0.005)
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    await eventually(lambda: server.status("/readyz") == 200, PATIENCE, "ready again")
    return time.monotonic() - began


@scenario("F7", "the bus killed, back at once, after 0.5 s and after 3 s", 200, company=Company.ALONE)
async def bus_killed(run: Run) -> None:
    with run.server(workers=2, env=OVER_THE_BUS) as server:
        options: dict[str, Any] = {"tunnels": run.size(20, 6), "clients": 3, "rate": 10}
        async with Load(server, seed=run.seed, largest=run.size(10, 2) * MIB, **options) as load:
            load.start()
            await asyncio.sleep(1)
            outage = 0.0
            for away in run.size((0, 0.5, 3, 0, 0.5, 3), (0, 0.5, 3)):
                outage = max(outage, await kill_bus(server, away))
                await asyncio.sleep(1)
            await load.finish()
            run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
            run.most("errors reported", len(load.errors), 0)
            run.faithful(load.ledger)
            run.most("longest way", load.ledger.longest(), outage + 0.25 + run.slack(load.lag), " s")
            run.note(f"longest outage {outage:.2f} s")


@scenario(
    "F8",
    "the bus away for long: requests that need it get errors, all others work",
    500,
    company=Company.PATIENT,
)
async def bus_away(run: Run) -> None:
    seconds = run.size(300, 15)
    with run.server(workers=2) as server:  # steered: relaying needs no bus
        async with Load(server, seed=run.seed, tunnels=10, clients=2, rate=5) as load:
            load.start()
            await asyncio.sleep(1)
            before = resident(server)
            keeping = asyncio.create_task(kill_bus(server, seconds))
            began = time.monotonic()
            await eventually(lambda: server.status("/readyz") == 503, PATIENCE, "readyz says so")
            told = time.monotonic() - began
            await asyncio.sleep(seconds - told - 1)
            grown = resident(server) - before
            await keeping
            back = time.monotonic() - began - seconds
            await asyncio.sleep(2)
            await load.finish()
            run.most("readyz 503 after", told, 3 + run.slack(load.lag), " s")
            run.most("ready after its return", back, 1 + run.slack(load.lag), " s")
            run.most("memory grown", grown / MIB, 32, " MiB")
            run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
            run.faithful(load.ledger)


@scenario("F9", "the bus held still for 10 s, then a worker", 200, company=Company.ALONE)
async def bus_hangs(run: Run) -> None:
    seconds = run.size(10, 4)
    with run.server(workers=2, env=OVER_THE_BUS) as server:
        async with Load(server, seed=run.seed, tunnels=8, clients=3, rate=10) as load:
            load.start()
            await asyncio.sleep(1)
            began, noticed = time.monotonic(), float("inf")
            with stopped(nats(server)):
                while time.monotonic() - began < seconds:
                    if await asyncio.to_thread(server.status, "/readyz") == 503:
                        noticed = min(noticed, time.monotonic() - began)
                    await asyncio.sleep(0.05)
            await eventually(lambda: server.status("/readyz") == 200, PATIENCE, "ready again")
            await asyncio.sleep(2)
            await load.finish()
            run.most("noticed after", noticed, 3 + run.slack(load.lag), " s")
            run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
            run.faithful(load.ledger)


@scenario("F10", "every 1 to 3 s the bus or a worker away for up to 2 s", 300, in_tests=True)
async def flapping(run: Run) -> None:
    """A worker is held still for a moment, or killed; tunnels whose home was killed are not judged."""
    seconds = run.size(60, 6)
    with run.server(workers=3, env=OVER_THE_BUS) as server:
        options: dict[str, Any] = {"tunnels": run.size(24, 8), "clients": 2, "rate": 20}
        async with Load(server, seed=run.seed, largest=64 << 10, **options) as load:
            load.reconnects = True
            load.start()
            end, untouched, faults = time.monotonic() + seconds, load.tunnel_ids(), 0
            while time.monotonic() < end:
                await asyncio.sleep(run.dice.uniform(1, 3))
                faults += 1
                await one_fault(run, server, load, untouched)
            await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
            await asyncio.sleep(1)
            await load.finish()
            run.least("tunnels judged", len(untouched), JUDGED)
            run.most("lost on tunnels not killed", load.ledger.lost(untouched), 0)
            run.most("doubled", load.ledger.doubled(), 0)
            run.most("reordered", load.ledger.reordered(), 0)
            run.most("wrong tunnel", load.ledger.strangers, 0)
            run.note(
                f"{faults} faults, {load.ledger.sent():,} messages, {len(load.errors)} errors reported, "
                f"lost in all {load.ledger.lost()}, longest way {load.ledger.longest():.2f} s"
            )


async def one_fault(run: Run, server: Server, load: Load, untouched: set[str], judged: int = JUDGED) -> None:
    away = run.dice.uniform(0, 2)
    match run.dice.choice(("bus killed", "bus still", "worker still", "worker killed")):
        case "bus killed":
            await kill_bus(server, away)
        case "bus still":
            with stopped(nats(server)):
                await asyncio.sleep(away)
        case "worker still":
            with stopped(run.dice.choice(sorted(server.worker_pids().values()))):
                await asyncio.sleep(away)
        case _:
            await kill_a_worker(run, server, load, untouched, judged)


async def kill_a_worker(run: Run, server: Server, load: Load, untouched: set[str], judged: int) -> None:
    """Kill a worker. Its tunnels, and those with a client there, are not judged any more; some must be
    left."""
    victim = run.dice.choice(sorted(server.worker_pids().values()))
    touched = {end.tunnel for end in load.ends if server.worker_at(port_of(end)) == victim}
    if len(untouched - touched) >= judged:
        untouched -= touched
        server.kill_worker(victim)
        await all_new(server, {victim})


def port_of(end: Any) -> int:
    return int(end.socket.transport.get_extra_info("sockname")[1])
