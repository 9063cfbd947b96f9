"""F13: the wall clock is set forward and back by an hour; nothing here goes by it.

The server's Python processes see the time that a small library of ours shows them. The bus server makes its
own system calls and keeps the machine's time: the two then disagree by an hour, which is worse than a step of
both.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tests.harness import Server, eventually
from tests.rawsocket import RawSocket
from tests.system.watches import WatchDevice
from tiflis.protocol.close import CloseCode
from tools.faults.attacks import pair
from tools.faults.enter import kept_alive
from tools.faults.load import Load
from tools.faults.processes import closed_of
from tools.faults.run import Absent, Run, scenario

HOUR = 3600
LIFE = 6.0  # seconds: of everything here that ends by itself
LIMITS = {
    "ROLE_DEADLINE": str(LIFE),
    "WATCH_IDLE": str(LIFE),
    "WATCH_MESSAGE_TTL": str(LIFE),
    "LIVENESS_TIMEOUT": str(LIFE),
    "LIVENESS_INTERVAL": "0.25",
}
LATE = 1.0
SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """The wall clock of a server that is started with `env`."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise Absent("a C compiler is needed, for a clock that can be set")
        library, self._file = folder / "clock.so", folder / "shift"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True, capture_output=True)
        self.set(0)
        self.env = {"LD_PRELOAD": str(library), "TIFLIS_CLOCK_SHIFT": str(self._file)}

    def set(self, seconds: int) -> None:
        """Off the machine's time by so much, for all processes at once."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("@l", seconds))


@scenario("F13", "the clock set forward and back by an hour", 120)
async def clock_set(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="tiflis-clock-") as folder:
        clock = Clock(Path(folder))
        with run.server(workers=2, env=clock.env | LIMITS) as server:
            async with Load(server, seed=run.seed, tunnels=4, clients=2) as load:
                load.start()
                for shift in run.size((HOUR, 0, -HOUR, 0), (HOUR, -HOUR)):
                    await one_step(run, server, lambda shift=shift: clock.set(shift))  # type: ignore[misc]
                    off = abs(shown_time(server) - time.time() - shift)
                    run.most(f"clock set to {shift / HOUR:+.0f} h, off by", off, 5, " s")
                await load.finish()
                run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
                run.faithful(load.ledger)


def shown_time(server: Server) -> float:
    """Return the time of day according to the server."""
    shown = json.loads(server.get("/health")[1])["timestamp"]
    return datetime.fromisoformat(shown.replace("Z", "+00:00")).timestamp()


async def one_step(run: Run, server: Server, step: Callable[[], None]) -> None:
    """Set the clock in the middle of some seconds, and check that what ends after them ends then."""
    workstation, client, tunnel = await pair(server)
    roleless = await RawSocket.open("127.0.0.1", server.port)
    async with (
        kept_alive(workstation, every=1),
        WatchDevice(server, tunnel, "silent") as silent,
        WatchDevice(server, tunnel, "asks") as asks,
    ):
        await silent.connect()
        await asks.connect()
        workstation.send({"type": "note"})
        began = time.monotonic()
        ends = {
            "a socket without a role": after(began, lambda: roleless.closed == CloseCode.POLICY_VIOLATION),
            "a silent client": after(began, lambda: client.closed == CloseCode.NORMAL),
            "a silent watch": after(began, lambda: departed(workstation)),
        }
        ended = asyncio.gather(*ends.values())
        await asyncio.sleep(LIFE / 2)
        step()
        await asyncio.sleep(began + LIFE - LATE - time.monotonic())
        run.least("queued a second before its end", (await asks.state())["queue_size"], 1)
        await asyncio.sleep(began + LIFE + LATE - time.monotonic())
        run.most("and a second after it", (await asks.state())["queue_size"], 0)
        for name, seconds in zip(ends, await ended, strict=True):
            run.most(f"{name} ended off its time", abs(seconds - LIFE), LATE + run.slack(0.0), " s")
    workstation.close()
    client.close()


async def after(began: float, ended: Callable[[], object]) -> float:
    await eventually(ended, 4 * LIFE, "ended")
    return time.monotonic() - began


def departed(workstation: RawSocket) -> bool:
    return any(b"client.disconnected" in text and b'"silent"' in text for text in workstation.inbox)
