"""F4c and F4d: the server's container is replaced under load."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.bus.nats import NatsServer
from tests.containers import Contained
from tools.faults.load import Load
from tools.faults.run import Company, Run, scenario

TAKEOVER_SECONDS = 120.0


async def replaced(run: Run, env: dict[str, str], folder: Path) -> None:
    """Two servers in process and mount namespaces of their own, with one network and one folder."""
    env = {"TAKEOVER": "auto", **env}
    old, tunnels = Contained(workers=2, folder=folder, env=env), run.size(20, 4)
    new = Contained(workers=2, folder=folder, env=env, port=old.port)
    try:
        old.start()
        async with Load(old, seed=run.seed, tunnels=tunnels, clients=9, rate=run.size(2, 5)) as load:
            run.note(f"{len(load.ends)} sockets")
            load.start()
            await asyncio.sleep(1)
            new.start(wait=False)
            assert old.process is not None
            code = await asyncio.to_thread(old.process.wait, TAKEOVER_SECONDS)
            await asyncio.to_thread(new.wait_ready)
            await load.finish()
            run.most("exit code of the old one", code, 0)
            run.most("sockets closed", sum(len(end.closed) for end in load.ends), 0)
            run.most("errors reported", len(load.errors), 0)
            run.faithful(load.ledger)
    finally:
        new.kill_everything()  # before the other: both find the bus by the folder that they share
        old.kill_everything()


@scenario("F4c", "a container replaced under load, 200 sockets, NATS beside it", 240, company=Company.ALONE)
async def with_sidecar(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
        bus = NatsServer(Path(folder) / "nats")
        bus.start()
        try:
            await replaced(run, {"NATS_URL": bus.url}, Path(folder))
        finally:
            bus.stop()


@scenario("F4d", "the same with the embedded bus", 240, company=Company.ALONE)
async def with_embedded_bus(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
        await replaced(run, {}, Path(folder))
