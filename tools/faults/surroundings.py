"""N8 to N10: a start whose bus, settings or surroundings are not as usual."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bus.nats import NatsServer
from tests.harness import Server, crowd, eventually
from tests.system.test_settings import WRONG, check, refusal
from tools.faults.run import Run, scenario

PATIENCE = 30.0
MESSAGE = "x" * 300_000
ALLOWED = 4000  # open files


async def relayed(server: Server) -> int:
    """Return how many of two messages, one of them large, reach their workstation."""
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation()
        client = await people.client(tunnel_id)
        for text in ("", MESSAGE):
            await client.send({"type": "hello", "text": text})
            assert (await workstation.next("hello", PATIENCE))["text"] == text
    return 2


def without_jetstream(nats: NatsServer) -> None:
    lines = nats._config.read_text().splitlines()
    nats._config.write_text("\n".join(line for line in lines if "jetstream" not in line))


def of_small_messages(nats: NatsServer) -> None:
    nats._config.write_text(nats._config.read_text() + "max_payload: 4096\n")


async def comes_up_late(run: Run, folder: Path, lacks: str) -> None:
    """Check that the server waits beside a bus that lacks something, and serves soon after its repair."""
    nats = NatsServer(folder / "nats")
    whole = nats._config.read_text()
    server = Server(1, folder=folder, env={"NATS_URL": nats.url, "BUS_START_TIMEOUT": "1s"})
    try:
        if lacks == "JetStream":
            without_jetstream(nats)
            await asyncio.to_thread(nats.start)
        server.start(wait=False)
        said = "JetStream is not there" if lacks == "JetStream" else "bus unavailable"
        await eventually(lambda: said in server.logs(), PATIENCE, f"{said} is said")
        await eventually(lambda: server.status("/healthz") == 200, PATIENCE, "it is alive")
        await asyncio.sleep(run.size(25, 3))  # longer than a start may take otherwise
        run.most(f"/readyz without {lacks}", server.status("/readyz"), 503)
        run.most(f"lines on {lacks}", server.logs().count(said), 2)
        nats.stop()
        nats._config.write_text(whole)
        began = time.monotonic()
        await asyncio.to_thread(nats.start)
        await asyncio.to_thread(server.wait_ready)
        run.most(f"ready with {lacks}", time.monotonic() - began, 3 + run.slack(2), " s")
        run.least("messages relayed", await relayed(server), 2)
    finally:
        server.kill_everything()
        nats.stop()


@scenario("N8", "started before its bus, or with one that lacks something", 300, in_tests=True)
async def bus_lacks_something(run: Run) -> None:
    for lacks in run.size(("a bus", "JetStream"), ("JetStream",)):
        with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
            await comes_up_late(run, Path(folder), lacks)
    with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
        nats = NatsServer(Path(folder) / "nats")
        of_small_messages(nats)
        nats.start()
        try:
            with run.server_in(Path(folder), env={"NATS_URL": nats.url, "STEERING": "off"}) as server:
                run.least("messages relayed over a bus of 4 KiB", await relayed(server), 2)
        finally:
            nats.stop()


@scenario("N9", "settings that cannot work: one line, code 2, and check says the same", 600)
async def wrong_settings(run: Run) -> None:
    names = run.size(tuple(WRONG), ("a file", "a route of ours"))
    unlike, unnamed = 0, 0
    for name in names:
        variable, wrong = WRONG[name]
        with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
            env = wrong(Path(folder))
            port: Any = {"port": int(env["PORT"])} if "PORT" in env else {}
            server = Server(1, folder=Path(folder), env=env, **port)
            try:
                code, lines = await asyncio.to_thread(refusal, server)
                unnamed += not (code == 2 and len(lines) == 1 and lines[0].startswith(variable))
                unlike += await asyncio.to_thread(check, server) != (2, lines)
            finally:
                server.kill_everything()
    run.least("settings tried", len(names), 2)
    run.most("refused otherwise than in one line with its name", unnamed, 0)
    run.most("judged otherwise by check", unlike, 0)


class Odd(Server):
    """A server with closed standard descriptors and a low soft limit of open files."""

    def _command(self) -> list[str]:
        limits = f"ulimit -Sn 1024 && ulimit -Hn {ALLOWED}"
        return ["bash", "-c", f"{limits} && exec {shlex.join(super()._command())} 0<&- 1>&- 2>&-"]


@scenario("N10", "odd paths, long TMPDIR, closed stdio, low soft limit, all at once", 120, in_tests=True)
async def odd_surroundings(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="tiflis-faults-") as folder:
        place, long = Path(folder) / 'dätä "日本" \\ $x #y', Path(folder) / ("t" * 113)
        place.mkdir()
        long.mkdir()
        server = Odd(2, folder=place, env={"TMPDIR": str(long)})
        try:
            await asyncio.to_thread(server.start)
            run.least("messages relayed", await relayed(server), 2)
            run.most("seconds to stop", await asyncio.to_thread(server.stop), 8, " s")
        finally:
            server.kill_everything()
