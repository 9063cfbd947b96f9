"""F14 and F19: the disk, and watches."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.faults.attacks import pair
from tests.faults.enter import Refused, register
from tests.faults.load import Load
from tests.faults.processes import PATIENCE, all_new, closed_of
from tests.faults.restarts import reload
from tests.faults.run import Absent, Run, scenario
from tests.harness import Server, eventually
from tests.rawsocket import RawSocket
from tests.system.watches import WatchDevice

FILLED_REGISTRATIONS = 200


@scenario("F14", "the disk is full under the bus", 120)
async def disk_full(run: Run) -> None:
    if os.geteuid():
        raise Absent("a disk that can be filled is mounted by root only")
    folder = Path(tempfile.mkdtemp(prefix="tiflis-full-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], check=True)
    try:
        with run.server_in(folder) as server:
            async with Load(server, seed=run.seed, tunnels=4, clients=2) as load:
                load.start()
                fill(folder / "filler")
                slowest, told, tries = 0.0, 0, 0
                # The store still has room in its last block: some may get through before it is full.
                while told < 3 and tries < FILLED_REGISTRATIONS:
                    tries += 1
                    socket = await RawSocket.open("127.0.0.1", server.port)
                    began = time.monotonic()
                    try:
                        await register(socket)
                    except Refused as answer:
                        told += "REGISTRATION_FAILED" in str(answer)
                    slowest = max(slowest, time.monotonic() - began)
                    socket.close()
                (folder / "filler").unlink()
                began = time.monotonic()
                await eventually(lambda: server.status("/readyz") == 200, PATIENCE, "ready")
                while not await registers(server):
                    await asyncio.sleep(0.2)
                back = time.monotonic() - began
                await load.finish()
                run.most("registrations answered after", slowest, 2 + run.slack(load.lag), " s")
                run.note(f"{told} of {tries} registrations refused while the disk was full")
                run.most("registers again after", back, 10, " s")
                run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
                run.faithful(load.ledger)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def fill(path: Path) -> None:
    """All that is left on this disk."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"f" * size)
            except OSError:
                continue


async def registers(server: Server) -> bool:
    socket = await RawSocket.open("127.0.0.1", server.port)
    try:
        await register(socket)
        return True
    except Refused:
        return False
    finally:
        socket.close()


async def poll(watch: WatchDevice, state: dict[str, int]) -> None:
    """As a watch does, until told to stop."""
    while not state["stop"]:
        try:
            await watch.poll(wait=1)
        except Exception:  # noqa: BLE001  # its worker has died: whatever the HTTP library calls that
            await asyncio.sleep(0.05)


@scenario("F19", "the worker that watches poll is killed, and replaced, mid-poll", 200, in_tests=True)
async def watched_worker_dies(run: Run) -> None:
    count = run.size(30, 4)
    with run.server(workers=2) as server:
        workstation, client, tunnel = await pair(server)
        watches = [WatchDevice(server, tunnel, f"w{number}") for number in range(count)]
        for watch in watches:
            await watch.connect()
        state = {"sent": 0, "stop": False}
        polling = [asyncio.create_task(poll(watch, state)) for watch in watches]
        for turn in range(run.size(6, 2)):
            for _ in range(20):
                state["sent"] += 1
                workstation.send({"type": "note", "n": state["sent"]})
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)  # what was queued is stored: its worker may go now
            victim = server.worker_at(workstation.transport.get_extra_info("sockname")[1])
            if turn % 2:
                await reload(server)
            elif victim is not None:
                server.kill_worker(victim)
                await all_new(server, {victim})
                workstation.close()
                workstation = await RawSocket.open("127.0.0.1", server.port)
                await register(workstation, tunnel)
        await asyncio.sleep(2)
        state["stop"] = True
        await asyncio.gather(*polling)
        for watch in watches:
            await watch.poll()
            await watch.http.aclose()
        heard = [[data["n"] for data in watch.data if data["type"] == "note"] for watch in watches]
        everything = set(range(1, state["sent"] + 1))
        unannounced = sum(
            len(everything - set(got)) for got, watch in zip(heard, watches, strict=True) if not watch.gaps
        )
        back = sum(b < a for watch in watches for a, b in zip(watch.told, watch.told[1:], strict=False))
        run.most("missing without a gap announced", unannounced, 0)
        run.most("numbers that went back", back, 0)
        run.most("out of order", sum(got != sorted(got) for got in heard), 0)
        run.note(f"{sum(watch.gaps for watch in watches)} gaps announced, {state['sent']} messages each")
        for socket in (workstation, client):
            socket.close()
