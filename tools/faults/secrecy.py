"""S6 and S9: what belongs to one tunnel, or is a key, is found nowhere else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.harness import eventually
from tests.system.test_secrecy import (
    METRICS_TOKEN,
    STATUS_TOKEN,
    found_in,
    left_behind,
    live_through,
)
from tools.faults.bus import OVER_THE_BUS, one_fault
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, all_back
from tools.faults.run import Company, Run, scenario


@scenario(
    "S6", "50 tunnels, each with its canary, while bus and workers come and go", 900, company=Company.PATIENT
)
async def canaries(run: Run) -> None:
    """Each message says which tunnel it belongs to, and its checksum says that this is all it says."""
    seconds = run.size(600, 12)
    with run.server(workers=3, env=OVER_THE_BUS) as server:
        options: dict[str, Any] = {"tunnels": run.size(50, 10), "clients": 2, "rate": run.size(2, 10)}
        async with Load(server, seed=run.seed, largest=64 << 10, **options) as load:
            load.reconnects = True
            load.start()
            end, faults = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                await asyncio.sleep(run.dice.uniform(1, 3))
                faults += 1
                await one_fault(run, server, load, load.tunnel_ids(), judged=0)
            await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
            await load.finish()
            run.most("wrong tunnel", load.ledger.strangers, 0)
            run.most("spoilt", load.ledger.spoilt, 0)
            run.most("doubled", load.ledger.doubled(), 0)
            run.most("reordered", load.ledger.reordered(), 0)
            run.note(f"{load.ledger.sent():,} messages, {faults} faults in {seconds} s")


@scenario("S9", "canary keys and contents, searched for everywhere after a day's life", 120)
async def keys_are_nowhere(run: Run) -> None:
    """Besides, after every scenario its server's logs and files are searched for the keys it was given."""
    options = {"ROLE_DEADLINE": "2", "LIVENESS_INTERVAL": "0.5", "ACCESS_LOG": "true"}
    options |= {"METRICS_TOKEN": METRICS_TOKEN, "STATUS_TOKEN": STATUS_TOKEN}
    for level in run.size(("trace", "debug", "info"), ("trace",)):
        with run.server(workers=2, env={"LOG_LEVEL": level, **options}) as server:
            bodies = await live_through(server)
            places = left_behind(server)
            in_bodies = sum(bool(found_in(body.encode())) for body in bodies)
            await asyncio.to_thread(server.stop)
            in_logs = len(found_in(server.logs().encode()))
            run.most(f"hits in files, arguments and environments ({level})", len(places), 0)
            run.most(f"in answers ({level})", in_bodies, 0)
            run.most(f"in logs ({level})", in_logs, 0)
            run.note(f"{level}: {len(bodies)} answers, {len(server.logs()) >> 10} KiB of log {places or ''}")
