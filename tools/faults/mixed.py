"""F21: everything at once, for long."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from tests.harness import Server, eventually
from tools.faults.bus import kill_bus
from tools.faults.crowds import large_for, open_files
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, all_back, all_new
from tools.faults.restarts import MIB, reload
from tools.faults.run import Company, Run, resident, scenario

KINDS = ("worker", "bus", "reload", "slow reader")
SETTLE_SECONDS = 1.0
ENOUGH = 20  # samples of memory that make a line: it goes up and down with what is under way


@scenario(
    "F21",
    "30 min of mixed load with workers and bus that die, slow readers and reloads, at random",
    2400,
    company=Company.PATIENT,
)
async def everything(run: Run) -> None:
    """What was under way in a worker, or for a reader, that was cut off may be lost, and nothing else."""
    seconds, calm = run.size((1800, 300), (20, 4))
    with run.server(workers=3) as server:
        options: dict[str, Any] = {"tunnels": run.size(20, 8), "clients": 3, "rate": run.size(4, 10)}
        async with Load(server, seed=run.seed, largest=run.size(20, 2) * MIB, **options) as load:
            load.reconnects = True
            load.start()
            began, samples, counts = time.monotonic(), list[tuple[float, float]](), dict.fromkeys(KINDS, 0)
            await asyncio.sleep(min(calm, 30))
            files = open_files(server)
            while (at := time.monotonic() - began) < seconds:
                await asyncio.sleep(run.dice.uniform(2, run.size(10, 4)))
                kind = run.dice.choice(KINDS)
                counts[kind] += 1
                await one_fault(run, server, load, kind)
                if at > calm:
                    samples.append((at / 60, resident(server) / MIB))
            await asyncio.sleep(2)
            await load.finish()
            if len(samples) >= ENOUGH:
                run.most("memory per minute", slope(samples), 1, " MiB")
                first, last = (statistics.median(y for _, y in part) for part in (samples[:5], samples[-5:]))
                run.note(f"memory from {first:.0f} to {last:.0f} MiB")
            run.most("descriptors more", open_files(server) - files, 10)
            run.faithful(load.ledger)
            cut_off = load.ledger.excused()
            run.note(f"{seconds} s, {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
            run.note(f"lost with their worker or reader {cut_off}, errors reported {len(load.errors)}")


async def one_fault(run: Run, server: Server, load: Load, kind: str) -> None:
    match kind:
        case "worker":
            victim = run.dice.choice(sorted(server.worker_pids().values()))
            under_way = load.ledger.under_way(touched_by(server, load, victim))
            server.kill_worker(victim)
            await all_new(server, {victim})
        case "bus":
            under_way = {}
            await kill_bus(server, run.dice.uniform(0, 1))
        case "slow reader":
            under_way = await slow_reader(run, load)
        case _:
            under_way = {}
            await reload(server)
    await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
    await asyncio.sleep(SETTLE_SECONDS)
    load.ledger.excuse(under_way)


async def slow_reader(run: Run, load: Load) -> dict[str, int]:
    """Have a client stop reading while large messages come; return its flows."""
    workstation = run.dice.choice(load.workstations)
    stuck = run.dice.choice(load.devices(workstation.tunnel))
    flows = load.ledger.under_way({workstation.tunnel})
    stuck.socket.transport.pause_reading()
    frame = large_for(stuck.name, run.size(30, 4) * MIB)
    for _ in range(4):
        if workstation.socket.closed is None:
            workstation.socket.transport.write(frame)
        await asyncio.sleep(0.5)
    await asyncio.sleep(run.size(11, 1))
    if not stuck.socket.transport.is_closing():
        stuck.socket.transport.resume_reading()
    return {name: first for name, first in flows.items() if stuck.name in name.split("/", 1)[1]}


def touched_by(server: Server, load: Load, victim: int) -> set[str]:
    """Tunnels of which this worker has a socket, or one that is just coming back."""
    ports = ((end.tunnel, end.socket.transport.get_extra_info("sockname")) for end in load.ends)
    return {tunnel for tunnel, name in ports if name is None or server.worker_at(name[1]) == victim}


def slope(samples: list[tuple[float, float]]) -> float:
    """Return the slope of the line that fits them best."""
    count = len(samples)
    x, y = (sum(values) / count for values in zip(*samples, strict=True))
    across = sum((at - x) ** 2 for at, _ in samples)
    return sum((at - x) * (value - y) for at, value in samples) / across if across else 0.0
