"""F14, F19, F21 and some of S: the disk, watches, everything at once, and thieves."""

from __future__ import annotations

import asyncio
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.faults.attacks import pair
from tests.faults.bus import kill_bus
from tests.faults.crowds import open_files
from tests.faults.load import Load, Refused, register
from tests.faults.processes import PATIENCE, all_back, all_new, closed_of
from tests.faults.restarts import MIB, reload
from tests.faults.run import Run, resident, scenario
from tests.harness import AUTH_KEY, REGISTRATION_KEY, Server, eventually
from tests.rawsocket import RawSocket
from tests.system.watches import WatchDevice

FILLED_REGISTRATIONS = 200


@scenario("F14", "the disk is full under the bus", 120)
async def disk_full(run: Run) -> None:
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


@scenario("F21", "mixed load with workers and bus that die, and reloads, at random", 2400)
async def everything(run: Run) -> None:
    seconds = run.size(run.long(1800, 120), 20)
    with run.server(workers=3) as server:
        options: dict[str, Any] = {"tunnels": run.size(20, 8), "clients": 3, "rate": 10}
        async with Load(server, seed=run.seed, largest=run.size(20, 2) * MIB, **options) as load:
            load.reconnects = True
            load.start()
            await asyncio.sleep(min(seconds / 4, 60))
            memory, files = resident(server), open_files(server)
            began, lost_with = time.monotonic(), set()
            while time.monotonic() - began < seconds:
                await asyncio.sleep(run.dice.uniform(2, 6))
                match run.dice.choice(("worker", "bus", "reload")):
                    case "worker":
                        victim = run.dice.choice(sorted(server.worker_pids().values()))
                        lost_with |= touched_by(server, load, victim)
                        server.kill_worker(victim)
                        await all_new(server, {victim})
                    case "bus":
                        await kill_bus(server, run.dice.uniform(0, 1))
                    case _:
                        await reload(server)
                await eventually(lambda: all_back(load), PATIENCE, "all ends are back")
            await asyncio.sleep(2)
            minutes = (time.monotonic() - began) / 60
            await load.finish()
            run.most("memory a minute", (resident(server) - memory) / MIB / minutes, run.size(8, 64), " MiB")
            run.most("descriptors more", open_files(server) - files, 10)
            run.most("doubled", load.ledger.doubled(), 0)
            run.most("reordered", load.ledger.reordered(), 0)
            run.most("wrong tunnel", load.ledger.strangers, 0)
            run.most("spoilt", load.ledger.spoilt, 0)
            untouched = load.tunnel_ids() - lost_with
            run.most("lost on tunnels not killed", load.ledger.lost(untouched), 0)
            run.note(f"{load.ledger.sent():,} messages, lost with their worker {load.ledger.lost()}")


def touched_by(server: Server, load: Load, victim: int) -> set[str]:
    ports = ((end.tunnel, end.socket.transport.get_extra_info("sockname")) for end in load.ends)
    return {tunnel for tunnel, name in ports if name is None or server.worker_at(name[1]) == victim}


@scenario("S4", "theft of tunnels with a registration key and another auth key", 120, in_tests=True)
async def thieves(run: Run) -> None:
    tries = run.size(1000, 60)
    with run.server(workers=2) as server:
        stolen = kept = 0
        for number in range(tries):
            owner = await RawSocket.open("127.0.0.1", server.port)
            tunnel = await register(owner)
            kind = run.dice.choice(("live", "offline", "racing"))
            if kind != "live":
                owner.close()
            if kind == "racing":
                thief, again = await asyncio.gather(steal(server, tunnel), returns(server, tunnel))
                kept += again
                stolen += thief
            else:
                stolen += await steal(server, tunnel)
            if number % 50 == 49:
                await asyncio.sleep(0)
            owner.close()
        run.most("stolen", stolen, 0)
        run.note(f"{tries} tries, {kept} owners came back while a thief raced them")


async def steal(server: Server, tunnel: str) -> bool:
    """Whether somebody with another auth key gets this tunnel's id."""
    socket = await RawSocket.open("127.0.0.1", server.port)
    payload = {
        "api_key": REGISTRATION_KEY,
        "name": "thief",
        "auth_key": AUTH_KEY[::-1],
        "reconnect": True,
        "previous_tunnel_id": tunnel,
    }
    answer = await socket.ask({"type": "workstation.register", "payload": payload})
    socket.close()
    return bool(answer["payload"].get("tunnel_id") == tunnel)


async def returns(server: Server, tunnel: str) -> bool:
    await asyncio.sleep(random.uniform(0, 0.005))
    socket = await RawSocket.open("127.0.0.1", server.port)
    same = await register(socket, tunnel) == tunnel
    socket.close()
    return same


@scenario("S13", "listening sockets after the start", 60, in_tests=True)
async def listeners(run: Run) -> None:
    with run.server(workers=2, env={"HOST": "0.0.0.0"}) as server:
        inodes = {
            link.readlink().name
            for pid in server.processes()
            for link in Path(f"/proc/{pid}/fd").iterdir()
            if link.is_symlink() and str(link.readlink()).startswith("socket:")
        }
        public = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes and address != "0100007F":
                public.add(int(port, 16))
        run.most("ports off loopback besides ours", len(public - {server.port}), 0)
        run.least("our port", float(server.port in public), 1)
