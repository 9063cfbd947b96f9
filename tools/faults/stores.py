"""F14 and F19: the disk, and watches."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Iterable
from pathlib import Path

from tests.harness import Server, eventually
from tests.rawsocket import RawSocket
from tests.system.watches import WatchDevice
from tools.faults.attacks import pair
from tools.faults.enter import Refused, kept_alive, register
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, all_new, closed_of
from tools.faults.restarts import reload
from tools.faults.run import Absent, Run, scenario

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
    """Fill all that is left on this disk."""
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


@scenario("F19", "the worker that 1,000 watches poll is killed, and replaced, mid-poll", 300)
async def watched_worker_dies(run: Run) -> None:
    """A tenth of them sleeps until the end: their queues overflow."""
    count = run.size(1000, 4)
    with run.server(workers=2) as server:
        workstation, client, tunnel = await pair(server)
        watches = [WatchDevice(server, tunnel, f"w{number}") for number in range(count)]
        await few_at_once(watch.connect() for watch in watches)
        asleep, awake = watches[: count // 10], watches[count // 10 :]
        state = {"sent": 0, "stop": False}
        polling = [asyncio.create_task(poll(watch, state, run.size(10, 1))) for watch in awake]
        async with kept_alive(client):
            for turn in range(run.size(6, 2)):
                workstation = await one_turn(server, workstation, tunnel, state, turn)
        await asyncio.sleep(2)
        state["stop"] = True
        await asyncio.gather(*polling)
        await few_at_once(watch.poll_again() for watch in watches)
        judge(run, watches, state["sent"])
        run.least("overflows announced", sum(bool(watch.gaps) for watch in asleep), len(asleep))
        for watch in watches:
            await watch.http.aclose()
        for socket in (workstation, client):
            socket.close()


async def few_at_once(works: Iterable[Awaitable[object]]) -> None:
    room = asyncio.Semaphore(50)

    async def one(work: Awaitable[object]) -> None:
        async with room:
            await work

    await asyncio.gather(*map(one, works))


async def poll(watch: WatchDevice, state: dict[str, int], wait: float) -> None:
    """Poll as a watch does, until `stop` is set."""
    while not state["stop"]:
        try:
            await watch.poll(wait)
        except Exception:  # noqa: BLE001  # its worker has died: whatever the HTTP library calls that
            await asyncio.sleep(0.05)


async def one_turn(
    server: Server, workstation: RawSocket, tunnel: str, state: dict[str, int], turn: int
) -> RawSocket:
    """Messages, and then the tunnel's home is killed or replaced; the workstation's socket from then on."""
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
    return workstation


def judge(run: Run, watches: list[WatchDevice], sent: int) -> None:
    heard = [[data["n"] for data in watch.data if data["type"] == "note"] for watch in watches]
    everything = set(range(1, sent + 1))
    unannounced = sum(
        len(everything - set(got)) for got, watch in zip(heard, watches, strict=True) if not watch.gaps
    )
    run.most("missing without a gap announced", unannounced, 0)
    run.most("numbers that went back", sum(watch.numbers_went_back() for watch in watches), 0)
    run.most("out of order", sum(got != sorted(got) for got in heard), 0)
    gaps = sum(watch.gaps for watch in watches)
    run.note(f"{len(watches)} watches, {gaps} gaps announced, {sent} messages each")
