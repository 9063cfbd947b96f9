"""F11 to F18: slow and half-dead peers, and many at once."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time

import httpx

from tests.harness import Server, eventually
from tests.rawsocket import RawSocket, message
from tools.bench import accounting
from tools.faults.enter import connect, register
from tools.faults.load import Load
from tools.faults.processes import PATIENCE, closed_of
from tools.faults.restarts import MIB
from tools.faults.run import Company, Run, resident, scenario

PING = message({"type": "ping", "timestamp": 1})
LARGE = 50 * MIB - 4096
AT_ONCE = 500
GONE, OFFLINE = "client.disconnected", "connection.workstation_offline"
TOKEN = "faults-metrics-0123456789"


@scenario(
    "F11",
    "one of 10 clients stops reading while 10 messages of 50 MiB come",
    200,
    in_tests=True,
    company=Company.ALONE,
)
async def one_stops_reading(run: Run) -> None:
    """Behind such messages on its own connection the workstation's words wait; nobody else's may."""
    size = run.size(LARGE, 20 * MIB)
    with run.server(workers=2) as server:
        async with Load(server, seed=run.seed, tunnels=3, clients=10, rate=10, largest=0) as load:
            workstation = load.workstations[0]
            stuck, *_ = load.devices(workstation.tunnel)
            frame = large_for(stuck.name, size)
            load.start()
            await asyncio.sleep(1)
            processes = server.processes()
            before, peak = accounting.memory(processes), 0
            stuck.silent = True
            stuck.socket.transport.pause_reading()
            for _ in range(10):
                workstation.socket.transport.write(frame)
                until = time.monotonic() + 0.3
                while time.monotonic() < until or not workstation.socket.has_room:
                    peak = max(peak, accounting.memory(processes))
                    await asyncio.sleep(0.03)
            await asyncio.sleep(12)  # as long as it may take to see that it does not read
            stuck.socket.transport.resume_reading()
            await eventually(lambda: stuck.closed, PATIENCE, "the stuck one is closed")
            load.ledger.forget(
                f"{stuck.tunnel}/ws/{stuck.name}",
                f"{stuck.tunnel}/{stuck.name}/",
                f"{stuck.tunnel}/ws/all:{stuck.name}",
            )
            await load.finish()
            others = [end for end in load.ends if end is not stuck]
            behind = f"{workstation.tunnel}/ws/"
            run.most("its close code off 1013", float(abs(stuck.closed[0] - 1013)), 0)
            run.most("others closed", sum(len(end.closed) for end in others), 0)
            run.most("memory grown at most", (peak - before) / MIB, 128, " MiB")
            run.most("lost by others", load.ledger.lost(), 0)
            run.most("reordered", load.ledger.reordered(), 0)
            run.most("p99 of the others", load.ledger.late(but=behind), 0.05 + run.slack(0.0), " s")
            run.note(
                f"longest wait behind the large ones {load.ledger.longest():.2f} s, own lag {load.lag:.3f} s"
            )


def large_for(device: str, size: int) -> bytes:
    text = json.dumps({"type": "big", "pad": "b" * size})
    return message({"type": "forward.to_device", "device_id": device, "payload": text})


@scenario("F12", "half-open connections: nothing comes or goes any more", 120)
async def half_open(run: Run) -> None:
    """Peers that neither read nor write any more, as behind a dead network."""
    with run.server(workers=2) as server:
        async with Load(server, seed=run.seed, tunnels=3, clients=3) as load:
            load.start()
            await asyncio.sleep(1)
            workstation, other = load.workstations[:2]
            client, *_ = load.devices(other.tunnel)
            left, *_ = load.devices(workstation.tunnel)
            dead, descriptors = [workstation, client], open_files(server)
            ports = [end.socket.transport.get_extra_info("sockname")[1] for end in dead]
            for end in dead:
                end.silent = True
                end.socket.transport.pause_reading()
            noticed = {
                "a dead client's workstation notified after": (
                    lambda: "client.disconnected" in other.control,
                    20,
                ),
                # The grace in which a workstation may come back comes on top.
                "a dead workstation's client notified after": (lambda: OFFLINE in left.control, 22),
                # And so does what their close frames wait for an answer.
                "their sockets closed after": (lambda: not any(map(server.worker_at, ports)), 26),
            }
            began = time.monotonic()
            for name, (condition, bound) in noticed.items():
                await eventually(condition, 60, name)
                run.most(name, time.monotonic() - began, bound + run.slack(load.lag), " s")
            run.most("descriptors left", open_files(server) - (descriptors - len(dead)), 0)
            run.most("others closed", sum(len(end.closed) for end in load.ends if end not in dead), 0)


def open_files(server: Server) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.worker_pids().values())


@scenario("F15", "a worker's descriptors exhausted", 120, in_tests=True)
async def no_descriptors(run: Run) -> None:
    with run.server(workers=1) as server:
        async with Load(server, seed=run.seed, tunnels=4, clients=3) as load:
            load.start()
            await asyncio.sleep(0.5)
            worker = next(iter(server.worker_pids().values()))
            limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            used = open_files(server)
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 3, limits[1]))
            refused = await opened(server, 20)
            before = accounting.read([worker])
            await asyncio.sleep(2)
            busy = accounting.read([worker]) - before
            resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
            for socket in refused:
                socket.close()
            began = time.monotonic()
            await eventually(lambda: server.status("/healthz") == 200, PATIENCE, "serves again")
            await load.finish()
            run.most("serves again after", time.monotonic() - began, 1 + run.slack(load.lag), " s")
            run.most("processor share while refusing", busy.cpu / busy.at, 0.6)
            run.most("sockets closed", closed_of(load, load.tunnel_ids()), 0)
            run.faithful(load.ledger)


async def opened(server: Server, count: int) -> list[RawSocket]:
    """Return as many open sockets as can be had of so many."""
    tries = (RawSocket.open("127.0.0.1", server.port, deadline=2) for _ in range(count))
    found = await asyncio.gather(*tries, return_exceptions=True)
    return [socket for socket in found if isinstance(socket, RawSocket)]


@scenario("F16", "10,000 idle sockets that only ping", 900, company=Company.PATIENT)
async def idle(run: Run) -> None:
    count, seconds = run.size(9_900, 500), run.size(600, 10)
    with run.server(workers=2) as server:
        before = resident(server)
        tunnels = count // 100
        async with Load(server, seed=run.seed, tunnels=tunnels, clients=99, rate=1) as load:
            end = time.monotonic() + seconds
            each = (resident(server) - before) / len(load.ends) / 1024
            used = accounting.read(server.processes())
            while time.monotonic() < end:
                began = time.monotonic()
                for number, one in enumerate(load.ends):
                    one.socket.transport.write(PING)
                    if number % 100 == 99:
                        await asyncio.sleep(5 / (len(load.ends) / 100) / 1.2)
                await asyncio.sleep(max(0.0, 5 - (time.monotonic() - began)))
            used = accounting.read(server.processes()) - used
            run.most("dropped", closed_of(load, load.tunnel_ids()), 0)
            run.most("memory each", each, 16, " KiB")
            run.most("processor, of a core", 100 * used.cpu / used.at, 5, " %")
            run.note("each pings every 5 s")


@scenario("F17", "5,000 sockets at once", 120, company=Company.ALONE)
async def all_at_once(run: Run) -> None:
    count = run.size(5_000, 500)
    with run.server(workers=2) as server:
        waits: list[float] = []

        async def one() -> RawSocket:
            began = time.monotonic()
            socket = await RawSocket.open("127.0.0.1", server.port, deadline=30)
            waits.append(time.monotonic() - began)
            return socket

        found = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
        failed = sum(not isinstance(socket, RawSocket) for socket in found)
        run.most("failed", failed, 0)
        run.most("p99", sorted(waits)[int(len(waits) * 0.99)], 2, " s")
        for socket in found:
            if isinstance(socket, RawSocket):
                socket.close()


@scenario("F18", "10,000 sockets come back after a full restart", 300, company=Company.ALONE)
async def all_come_back(run: Run) -> None:
    """In any order: no tunnel has more clients than may wait for its workstation."""
    tunnels, clients = run.size((200, 49), (10, 9))
    with run.server(workers=2, env={"METRICS_TOKEN": TOKEN}) as server:
        async with Load(server, seed=run.seed, tunnels=tunnels, clients=clients) as load:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            before = await directory_operations(server)
            began, room, times = time.monotonic(), asyncio.Semaphore(AT_ONCE), []
            used, own = accounting.read(server.processes()), time.process_time()

            async def again(tunnel: str, name: str) -> None:
                async with room:
                    socket = await RawSocket.open("127.0.0.1", server.port, deadline=60)
                if name == "ws":
                    assert await register(socket, tunnel, 60) == tunnel
                else:
                    await connect(socket, tunnel, name, again=True, deadline=60)
                times.append(time.monotonic() - began)

            ends = list(load.ends)
            run.dice.shuffle(ends)
            back = await asyncio.gather(
                *(again(one.tunnel, one.name) for one in ends), return_exceptions=True
            )
            times.sort()
            run.most("not back", sum(result is not None for result in back), 0)
            run.most("all back after", time.monotonic() - began, 5, " s")
            operations = await directory_operations(server) - before
            run.most("directory operations each", operations / len(ends), 2)
            run.note(f"{len(ends)} sockets; half of them after {times[len(times) // 2]:.1f} s")
            used = accounting.read(server.processes()) - used
            run.note(f"processor of the server {used.cpu:.1f} s, own {time.process_time() - own:.1f} s")


async def directory_operations(server: Server) -> float:
    """Return how many reads and writes of the directory all workers have counted."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    lines = answer.text.splitlines()
    counted = [
        line.rsplit(" ", 1)[1] for line in lines if line.startswith("tiflis_directory_operations_total")
    ]
    assert counted, answer.text[:200]
    return sum(map(float, counted))
