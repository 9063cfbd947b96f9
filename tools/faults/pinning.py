"""N2: one tunnel's peers make a worker keep whatever they can, all at once and in every way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import httpx

from tests.harness import AUTH_KEY, Server, eventually
from tests.rawsocket import TEXT, RawSocket, message
from tools.bench.accounting import memory
from tools.faults.attacks import LIMIT, head
from tools.faults.enter import connect, kept_alive, register
from tools.faults.load import Load
from tools.faults.restarts import MIB
from tools.faults.run import Company, Run, scenario

TOKEN = "a token for the metrics of N2"
WATCH = "/api/v1/watch"
DRIP_SECONDS = 3.0
ENDED_SECONDS = 90.0  # the last unfinished message has waited for room, and then dripped, by then


TOLD = message({"type": "forward.to_device", "device_id": "honest", "payload": '{"type":"told"}'})


class Greedy:
    """A tunnel with one honest client, and peers that only take."""

    def __init__(self, server: Server, workstation: RawSocket, honest: RawSocket, tunnel: str) -> None:
        self.server, self.workstation, self.honest, self.tunnel = server, workstation, honest, tunnel
        self.headers = {"Authorization": f"Bearer {AUTH_KEY}", "X-Tunnel-Id": tunnel}
        self.streams: list[asyncio.StreamWriter] = []
        self.unfinished: list[RawSocket] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.heard = 0
        workstation.on_message = self._echo
        honest.on_message = self._count

    @classmethod
    async def open(cls, server: Server) -> Greedy:
        workstation, honest = [await RawSocket.open("127.0.0.1", server.port) for _ in range(2)]
        tunnel = await register(workstation)
        await connect(honest, tunnel, "honest")
        return cls(server, workstation, honest, tunnel)

    def _echo(self, payload: bytes) -> bytes | None:
        return TOLD if payload.startswith(b'{"type":"ask"') else None

    def _count(self, payload: bytes) -> None:
        self.heard += payload.startswith(b'{"type":"told"')

    async def fill_queues(self, watches: int, size: int) -> None:
        """Send each watch messages of its own until its queue is full."""
        async with httpx.AsyncClient(base_url=self.server.url, timeout=30) as http:
            for number in range(watches):
                who = {"tunnel_id": self.tunnel, "auth_key": AUTH_KEY, "device_id": f"w{number}"}
                assert (await http.post(f"{WATCH}/connect", json=who)).status_code == 200
        text = json.dumps({"type": "big", "x": "x" * 4 * MIB})
        for number in range(watches):
            told = message({"type": "forward.to_device", "device_id": f"w{number}", "payload": text})
            for _ in range(size // len(text)):
                await self.workstation.room()
                self.workstation.transport.write(told)

    async def _http(self, request: str, content: bytes = b"") -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1024)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        lines = [request, "Host: x", *(f"{name}: {value}" for name, value in self.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        self.streams.append(writer)

    async def poll_unread(self, watches: int) -> None:
        for number in range(watches):
            await self._http(f"GET {WATCH}/messages?device_id=w{number}&wait=1 HTTP/1.1")

    async def stall_bodies(self, bodies: int, size: int) -> None:
        for number in range(bodies):
            length = f"Content-Length: {60 * MIB}\r\nX-Device-Id: w{number}"
            await self._http(f"POST {WATCH}/command HTTP/1.1\r\n{length}", b'{"x":"' + b"x" * size)

    async def begin_messages(self, count: int) -> None:
        for number in range(count):
            socket = await RawSocket.open("127.0.0.1", self.server.port)
            await connect(socket, self.tunnel, f"m{number}")
            self.unfinished.append(socket)
        self.tasks += [asyncio.create_task(_never_end(socket)) for socket in self.unfinished]

    async def talk(self, seconds: float) -> tuple[int, float]:
        """Ask as an honest client; return how many questions were not answered, and the longest wait."""
        end, asked, worst = time.monotonic() + seconds, 0, 0.0
        while time.monotonic() < end:
            began, asked = time.monotonic(), asked + 1
            self.honest.send({"type": "ask"})
            with contextlib.suppress(AssertionError):
                await eventually(lambda: self.heard >= asked, 10, "an answer")  # noqa: B023
            worst = max(worst, time.monotonic() - began)
            await asyncio.sleep(0.1)
        return asked - self.heard, worst

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        for writer in self.streams:
            writer.transport.abort()
        for socket in self.unfinished:
            socket.close()


async def _never_end(socket: RawSocket) -> None:
    """Send all but the end of a message as fast as it is taken, then a byte now and then."""
    chunk, left = b"x" * MIB, LIMIT - 1
    socket.transport.write(head(TEXT, LIMIT))
    while socket.closed is None and left > MIB:
        await socket.room()
        socket.transport.write(chunk)
        left -= MIB
        await asyncio.sleep(0)
    while socket.closed is None:
        socket.transport.write(b"x")
        await asyncio.sleep(DRIP_SECONDS)


async def pinned(server: Server) -> dict[str, float]:
    """Return the bytes in the server's ledger, by kind."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        text = (await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).text
    rows = [line for line in text.splitlines() if line.startswith("tiflis_pinned_bytes{")]
    return {row.split('"')[1]: float(row.rsplit(" ", 1)[1]) for row in rows}


async def _peak(worker: int, grown: list[float]) -> None:
    before = memory([worker])
    while True:
        grown.append((memory([worker]) - before) / MIB)
        await asyncio.sleep(0.1)


@scenario(
    "N2",
    "stalled bodies, unfinished messages, full watch queues and unread polls of one tunnel",
    240,
    in_tests=True,
    company=Company.ALONE,
)
async def everything_pinned(run: Run) -> None:
    watches = run.size(20, 5)
    with run.server(workers=1, env={"METRICS_TOKEN": TOKEN}) as server:
        async with Load(server, seed=run.seed, tunnels=2, clients=2) as load:
            greedy = await Greedy.open(server)
            async with kept_alive(greedy.workstation, greedy.honest):
                load.start()
                await asyncio.sleep(0.5)
                grown: list[float] = [0.0]
                peak = asyncio.create_task(_peak(server.worker_pids()["0"], grown))
                filling = asyncio.create_task(greedy.fill_queues(watches, run.size(64, 24) * MIB))
                await asyncio.sleep(run.size(5, 1))
                await greedy.poll_unread(watches)
                await greedy.stall_bodies(run.size(50, 10), MIB)
                await greedy.begin_messages(run.size(50, 8))
                unanswered, worst = await greedy.talk(run.size(40, 8))
                await filling
                closed = [socket for socket in greedy.unfinished if socket.closed is not None]
                run.note(f"{len(closed)} of {len(greedy.unfinished)} unfinished messages ended so far")
                run.note(f"pinned { ({k: int(v) >> 20 for k, v in (await pinned(server)).items()}) } MiB")
                everyone = greedy.unfinished
                if not run.small:
                    await eventually(lambda: all(one.closed for one in everyone), ENDED_SECONDS, "all end")
                peak.cancel()
                odd = sum(one.closed not in (None, 1006, 1008, 1013) for one in everyone)
                await greedy.close()
                await load.finish()
                left = await _emptied(server)
            run.most("memory grown", max(grown), 320, " MiB")
            run.most("p99 of other tunnels", load.ledger.late(), 0.05 + run.slack(load.lag), " s")
            run.most("unanswered of the tunnel's own client", unanswered, 0)
            run.most("its longest wait", worst, 5 + run.slack(load.lag), " s")
            run.most("unfinished ones closed with another code", odd, 0)
            run.most("pinned when all have gone, but for queues", left, 0, " bytes")
            run.faithful(load.ledger)


async def _emptied(server: Server) -> float:
    """Bytes that stay in the ledger beside the queues of watches."""
    end, left = time.monotonic() + 15, 1.0
    while left and time.monotonic() < end:
        await asyncio.sleep(0.5)
        kinds = await pinned(server)
        left = sum(size for kind, size in kinds.items() if kind != "queues")
    return left
