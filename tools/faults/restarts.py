"""F4 to F6: workers are replaced under load."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.harness import Server
from tiflis.ipc.control_client import request
from tools.faults.load import Load
from tools.faults.run import Company, Run, scenario

RELOAD_SECONDS = 120.0
MIB = 1 << 20
LOOPS = {"uvloop": {}, "asyncio": {"SANIC_USE_UVLOOP": "false"}}


async def reload(server: Server) -> dict[str, Any]:
    """Replace all workers; what became of each."""
    return await asyncio.to_thread(request, server.run_dir, "reload", RELOAD_SECONDS)


def fell_back(report: dict[str, Any]) -> int:
    return sum(int(worker.get("fell_back") or 0) for worker in report.get("workers", []))


async def rolls(run: Run, loop: str) -> None:
    """F4: rolling restarts in a row under load."""
    count = run.size(10, 1)
    size = {"tunnels": run.size(100, 10), "clients": run.size(19, 4), "rate": run.size(0.2, 5)}
    with run.server(workers=2, env=LOOPS[loop]) as server:
        old = set(server.worker_pids().values())
        # Larger ones are F6's: the load itself would be busy with them for a second, and all others late.
        largest = run.size(8, 4) * MIB
        async with Load(server, seed=run.seed, largest=largest, **size) as load:
            run.note(f"{len(load.ends)} sockets, {len(load.homes())} tunnels")
            load.start()
            await asyncio.sleep(1)
            incomplete = refused = 0
            for _ in range(count):
                report = await reload(server)
                incomplete += report.get("complete") is not True
                refused += fell_back(report)
                if report.get("complete") is not True:
                    run.note(str(report)[:600])
                await load.join(next(iter(load.tunnel_ids())), "late")  # new ones come in meanwhile
                load.ends.pop().socket.close()
            await asyncio.sleep(0.5)
            await load.finish()
            run.least("workers replaced", len(set(server.worker_pids().values()) - old), 2)
            run.most("rolls not complete", incomplete, 0)
            run.most("sockets not handed over", refused, 0)
            run.most("sockets closed", sum(len(end.closed) for end in load.ends), 0)
            run.most("errors reported", len(load.errors), 0)
            run.faithful(load.ledger)
            run.most("ways of messages, p99", load.ledger.late(), 0.25 + run.slack(load.lag), " s")
            run.note(
                f"median {load.ledger.late(0.5):.3f} s, longest of each flow, p99 "
                f"{load.ledger.longest(0.99):.3f} s; largest message {largest >> 20} MiB, "
                f"own lag {load.lag:.3f} s"
            )


@scenario(
    "F4", "10 rolling restarts under load, 2,000 sockets (uvloop)", 400, in_tests=True, company=Company.ALONE
)
async def rolls_on_uvloop(run: Run) -> None:
    await rolls(run, "uvloop")


@scenario("F4a", "the same on asyncio", 400, company=Company.ALONE)
async def rolls_on_asyncio(run: Run) -> None:
    await rolls(run, "asyncio")


@scenario("F5", "restart into a worker that fails at start", 120)
async def broken_successor(run: Run) -> None:
    """The code now on disk is broken: the old workers go on, and the operator is told."""
    broken = Path(tempfile.gettempdir()) / f"tiflis-broken-{uuid4().hex}"
    options = {"target": "tools.faults.breakable:app", "env": {"TIFLIS_BROKEN_FILE": str(broken)}}
    with run.server(workers=2, **options) as server:
        old = set(server.worker_pids().values())
        async with Load(server, seed=run.seed, tunnels=4, clients=2) as load:
            load.start()
            broken.touch()
            try:
                report = await reload(server)
            finally:
                broken.unlink()
            await asyncio.sleep(1)
            await load.finish()
            run.most("rolls called complete", float(report.get("complete") is True), 0)
            run.least("words for the operator", len(str(report.get("workers", ""))), 10)
            run.least("old workers left", len(set(server.worker_pids().values()) & old), 2)
            run.most("sockets closed", sum(len(end.closed) for end in load.ends), 0)
            run.faithful(load.ledger)
        run.least("serving", float(server.status("/healthz") == 200), 1)


async def large_under_way(run: Run, loop: str) -> None:
    """F6: a message of up to 50 MiB, cut at random bytes, in both directions, while workers are replaced."""
    largest = run.size(50, 12) * MIB - 4096
    with run.server(workers=2, env=LOOPS[loop]) as server:
        async with Load(server, seed=run.seed, tunnels=run.size(3, 2), clients=1, largest=largest) as load:
            for _ in range(run.size(4, 1)):
                sending = [
                    asyncio.create_task(
                        piecemeal(run, load, end, "ws" if end.name != "ws" else "d0", largest)
                    )
                    for end in load.ends
                ]
                slow = [asyncio.create_task(hesitant(run, end.socket.transport)) for end in load.ends]
                await asyncio.sleep(run.dice.uniform(0.05, 0.5))
                report = await reload(server)
                run.most("sockets not handed over", fell_back(report), 0)
                await asyncio.gather(*sending)
                for task in slow:
                    task.cancel()
                for end in load.ends:
                    end.socket.transport.resume_reading()
            await load.finish(60)
            run.most("sockets closed", sum(len(end.closed) for end in load.ends), 0)
            run.most("errors reported", len(load.errors), 0)
            run.faithful(load.ledger)


@scenario("F6", "restart while 50 MiB messages are under way, in and out, cut anywhere (uvloop)", 240)
async def large_on_uvloop(run: Run) -> None:
    await large_under_way(run, "uvloop")


@scenario("F6a", "the same on asyncio", 240)
async def large_on_asyncio(run: Run) -> None:
    await large_under_way(run, "asyncio")


async def piecemeal(run: Run, load: Load, end: Any, receiver: str, largest: int) -> None:
    """Send one large message and a few small ones behind it in pieces cut at random bytes, over ~2 s."""
    name = f"{end.tunnel}/{end.name}/{receiver}"
    dice = run.dice
    wire = load.frame(name, int(largest * dice.uniform(0.5, 0.999)))
    wire += b"".join(load.frame(name, dice.randrange(10, 500)) for _ in range(20))
    cuts = sorted({0, len(wire), *(dice.randrange(len(wire)) for _ in range(40)), 1, 7, len(wire) - 3})
    for start, stop in itertools.pairwise(cuts):
        end.socket.transport.write(wire[start:stop])
        await end.socket.room()
        await asyncio.sleep(0.05)


async def hesitant(run: Run, transport: asyncio.Transport) -> None:
    """A receiver that stops reading now and then, so that output is unsent when its worker is replaced."""
    while True:
        transport.pause_reading()
        await asyncio.sleep(run.dice.uniform(0.05, 0.4))
        transport.resume_reading()
        await asyncio.sleep(run.dice.uniform(0.0, 0.05))
