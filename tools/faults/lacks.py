"""N5: the main process lacks what it needs, and a worker dies meanwhile."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import Server, eventually
from tests.lacks import NO_PROCESS, NO_THREAD
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, all_back, all_new, closed_of
from tools.faults.run import Company, Run, scenario

LACKS = ("processes", "descriptors", "threads", "memory")
WHOLE_SECONDS = 10.0


@contextmanager
def lack(what: str, pid: int, folder: Path) -> Iterator[None]:
    """Have this main process get no more of something, for a while."""
    if what in ("processes", "threads"):
        file = folder / (NO_PROCESS if what == "processes" else NO_THREAD)
        file.touch()
        try:
            yield
        finally:
            file.unlink()
        return
    kind = resource.RLIMIT_NOFILE if what == "descriptors" else resource.RLIMIT_AS
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    before = resource.prlimit(pid, kind)
    most = 3 if what == "descriptors" else pages * resource.getpagesize()
    resource.prlimit(pid, kind, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def kill_helpers(server: Server) -> int:
    """SIGKILL for every child of main that is neither a worker nor the bus; how many there were."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    helpers = set(map(int, children)) - set(server.worker_pids().values()) - {server.nats_pid()}
    for pid in helpers:
        os.kill(pid, signal.SIGKILL)
    return len(helpers)


@scenario(
    "N5", "main lacks processes, descriptors, threads, memory; a worker dies meanwhile", 400,
    in_tests=True, company=Company.ALONE,
)  # fmt: skip
async def main_lacks(run: Run) -> None:
    seconds = run.size(30, 2)
    with tempfile.TemporaryDirectory(prefix="tiflis-lacks-") as folder:
        options = {"target": "tools.faults.lacking:app", "env": {"TIFLIS_LACKING": folder}}
        with run.server(workers=3, **options) as server:
            async with Load(server, seed=run.seed, tunnels=run.size(20, 8), clients=2, rate=5) as load:
                load.reconnects = True
                load.start()
                main, untouched, slowest = server.pid, load.tunnel_ids(), 0.0
                keeper, *_ = await asyncio.to_thread(lambda: list(load.homes().values()))
                run.note(f"{kill_helpers(server)} helper processes killed")
                for what in run.size(LACKS, LACKS[:2]):
                    homes = await asyncio.to_thread(load.homes)
                    victim = run.dice.choice(sorted(set(server.worker_pids().values()) - {keeper}))
                    untouched -= {tunnel for tunnel, pid in homes.items() if pid == victim}
                    untouched -= {end.tunnel for end in load.ends if end.socket.closed is not None}
                    with lack(what, main, Path(folder)):
                        await asyncio.to_thread(server.kill_worker, victim)
                        # Their clients' sockets may have been on the victim.
                        await asyncio.sleep(0.5)
                        closed = closed_of(load, untouched)
                        await asyncio.sleep(seconds)
                    closed = closed_of(load, untouched) - closed
                    run.most(f"sockets closed for lack of {what}", closed, 0)
                    began = run.clock()
                    await all_new(server, {victim})
                    slowest = max(slowest, run.clock() - began)
                    await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
                await load.finish()
                run.most("whole again", slowest, WHOLE_SECONDS + run.slack(load.lag), " s")
                run.most("main processes that ended", float(server.pid != main), 0)
                run.most("doubled", load.ledger.doubled(), 0)
                run.most("wrong tunnel", load.ledger.strangers, 0)
