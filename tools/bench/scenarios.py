"""What is measured: each scenario puts one load on one contender and returns its figures.

Figures: `cpu` microseconds of all server processes for each unit of work, `rate` units a second as they
came; latencies in milliseconds; `memory` KiB a connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast
from urllib.parse import urlencode

from tests.rawsocket import RawSocket, message
from tools.bench import accounting
from tools.bench.contenders import Contender
from tools.bench.crowd import AUTH_KEY, Tunnel, tunnel, tunnels

Figures = dict[str, float]
Scenario = Callable[[Contender, float], Awaitable[Figures]]

WARM_SHARE = 0.3  # of the measured time, before it
UP = message({"type": "session.execute", "session_id": "s1", "payload": {"content": "x" * 120}})
KEY_UP = message({"type": "session.input", "d": "k"})
INNER_KEY = '{"type":"session.output","d":"k"}'
INNER = '{"type":"session.output","payload":{"content":"' + "y" * 940 + '"}}'
MIB = 1 << 20
PINGED_TOGETHER = 20
LOST_SHARE = 0.01  # of the idle connections; with more lost the figures mean nothing


def down(device_id: str, inner: str) -> bytes:
    return message({"type": "forward.to_device", "device_id": device_id, "payload": inner})


async def measured(contender: Contender, seconds: float, done: Callable[[], int]) -> Figures:
    """Return what a unit of the running load costs over so many seconds."""
    await asyncio.sleep(seconds * WARM_SHARE)
    units, before = done(), accounting.read(contender.pids)
    await asyncio.sleep(seconds)
    units, used = done() - units, accounting.read(contender.pids) - before
    if not units:
        raise RuntimeError("nothing got through")
    whole = used.user + used.system or 1
    return {
        "cpu": used.cpu / units * 1e6,
        "rate": units / used.at,
        "system_share": used.system / whole,
    }


def frames(crowd: list[Tunnel]) -> Callable[[], int]:
    """Frames relayed so far, both ways."""
    sockets = [socket for tunnel in crowd for socket in (tunnel.workstation, *tunnel.clients)]
    return lambda: sum(socket.frames for socket in sockets)


def leave(crowd: list[Tunnel]) -> None:
    for one in crowd:
        for socket in (one.workstation, *one.clients):
            socket.on_message = None
            socket.close()


async def echo(
    contender: Contender, seconds: float, *, pairs: int, in_flight: int, up: bytes = UP, inner: str = INNER
) -> Figures:
    """Have each client ask and its workstation answer, again and again."""
    crowd = await tunnels(contender, pairs)
    answer = down("dev0", inner)
    for one in crowd:
        one.workstation.on_message = lambda _: answer
        one.clients[0].on_message = lambda _: up
    for one in crowd:
        one.clients[0].transport.write(up * in_flight)
    figures = await measured(contender, seconds, frames(crowd))
    leave(crowd)
    return figures


async def pipelined(contender: Contender, seconds: float) -> Figures:
    return await echo(contender, seconds, pairs=1, in_flight=64)


async def one_at_a_time(contender: Contender, seconds: float) -> Figures:
    return await echo(contender, seconds, pairs=16, in_flight=1)


async def five_hundred(contender: Contender, seconds: float) -> Figures:
    return await echo(contender, seconds, pairs=500, in_flight=1)


async def thousand(contender: Contender, seconds: float) -> Figures:
    return await echo(contender, seconds, pairs=1000, in_flight=1)


async def typing(contender: Contender, seconds: float) -> Figures:
    """Ten clients, each with 200 keys a second that are echoed."""
    crowd = await tunnels(contender, 10)
    answer = down("dev0", INNER_KEY)
    for one in crowd:
        one.workstation.on_message = lambda _: answer
        one.clients[0].on_message = lambda _: None
    keys = asyncio.create_task(paced(2000, [one.clients[0] for one in crowd], KEY_UP))
    figures = await measured(contender, seconds, frames(crowd))
    keys.cancel()
    leave(crowd)
    return figures


async def paced(rate: float, sockets: list[RawSocket], frame: bytes) -> None:
    """Send one frame after the other at this rate in all, round robin; late ones are caught up."""
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate)
        while sent < due:
            sockets[sent % len(sockets)].transport.write(frame)
            sent += 1
        await asyncio.sleep(0.001)


async def latency(contender: Contender, seconds: float) -> Figures:
    """5,000 frames a second over 50 pairs: how long a question and its answer take together."""
    pairs, rate, seconds = 50, 2500, 3 * seconds  # the slowest of a hundred want more than a second
    crowd = await tunnels(contender, pairs)
    waits: list[float] = []
    answer, clock = down("dev0", INNER), time.perf_counter
    asked: list[list[float]] = [[] for _ in crowd]

    def hear(line: list[float]) -> Callable[[bytes], None]:
        return lambda _: waits.append(clock() - line.pop(0))

    for line, one in zip(asked, crowd, strict=True):
        one.workstation.on_message = lambda _: answer
        one.clients[0].on_message = hear(line)

    async def ask() -> None:
        began, sent = clock(), 0
        while True:
            due = int((clock() - began) * rate)
            while sent < due:
                which = sent % pairs
                asked[which].append(clock())
                crowd[which].clients[0].transport.write(UP)
                sent += 1
            await asyncio.sleep(0.0005)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(seconds * WARM_SHARE)
    waits.clear()
    figures = await measured(contender, seconds, frames(crowd))
    asking.cancel()
    leave(crowd)
    ordered = sorted(waits)
    for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
        figures[name] = ordered[int(len(ordered) * share)] * 1000
    return figures


async def stream(contender: Contender, seconds: float, *, clients: int) -> Figures:
    """4 KiB broadcasts, at most 8 on the way; a unit is one delivery."""
    one = await tunnel(contender, clients)
    text = message({"type": "session.output", "payload": {"content": "z" * 4040}})
    heard = 0

    def hear(_: bytes) -> None:
        nonlocal heard
        heard += 1
        if heard % clients == 0:
            one.workstation.transport.write(text)

    for client in one.clients:
        client.on_message = hear
    one.workstation.on_message = lambda _: None
    one.workstation.transport.write(text * 8)
    figures = await measured(contender, seconds, lambda: sum(client.frames for client in one.clients))
    leave([one])
    return figures


async def stream_1(contender: Contender, seconds: float) -> Figures:
    return await stream(contender, seconds, clients=1)


async def stream_10(contender: Contender, seconds: float) -> Figures:
    return await stream(contender, seconds, clients=10)


async def stream_100(contender: Contender, seconds: float) -> Figures:
    return await stream(contender, seconds, clients=100)


async def voice(contender: Contender, seconds: float) -> Figures:
    """5 MB each way, one at a time; a unit is a MiB relayed."""
    voice_up = message({"type": "voice", "payload": {"audio": "v" * 5_000_000}})
    answer = down("dev0", '{"type":"voice.output","payload":{"audio":"' + "w" * 5_000_000 + '"}}')
    crowd = await tunnels(contender, 1)
    one = crowd[0]
    one.workstation.on_message = lambda _: answer
    one.clients[0].on_message = lambda _: voice_up
    one.clients[0].transport.write(voice_up)
    figures = await measured(contender, max(seconds, 1.5), frames(crowd))
    leave(crowd)
    relayed = 5_000_000 / MIB
    return figures | {"cpu": figures["cpu"] / relayed, "rate": figures["rate"] * relayed}


async def storm(contender: Contender, seconds: float) -> Figures:
    """Clients that connect, 100 at a time; a unit is one that has been told `connected`."""
    count = int(600 * seconds)
    before, began = accounting.read(contender.pids), time.monotonic()
    one = await tunnel(contender, count)
    took = time.monotonic() - began
    used = accounting.read(contender.pids) - before
    leave([one])
    return {"cpu": used.cpu / count * 1e6, "rate": count / took}


async def registering(contender: Contender, seconds: float) -> Figures:
    """Workstations that register, 100 at a time; a unit is one that has its tunnel."""
    count = int(400 * seconds)
    before, began = accounting.read(contender.pids), time.monotonic()
    crowd = await tunnels(contender, count, 0)
    took = time.monotonic() - began
    used = accounting.read(contender.pids) - before
    leave(crowd)
    return {"cpu": used.cpu / count * 1e6, "rate": count / took}


async def idle(contender: Contender, seconds: float, *, connections: int = 10_000) -> Figures:
    """Connections that only ping every 5 s: memory of each, and processor share for all."""
    empty = accounting.memory(contender.pids)
    sockets: list[RawSocket] = []
    pings = asyncio.create_task(keep_alive(sockets))
    crowd = await tunnels(contender, connections // 100, 99, sockets)
    await asyncio.sleep(1)
    used = accounting.memory(contender.pids) - empty
    figures = await measured(contender, max(seconds, 5.0), frames(crowd))
    pings.cancel()
    lost = sum(socket.closed is not None for socket in sockets)
    leave(crowd)
    if lost > connections * LOST_SHARE:
        raise RuntimeError(f"{lost} of {connections} connections were lost: there is nothing to divide by")
    percent = figures["cpu"] * figures["rate"] / 1e4
    return figures | {"memory": used / len(sockets) / 1024, "percent": percent, "lost": lost}


async def keep_alive(sockets: list[RawSocket]) -> None:
    """Send a ping of each peer every 5 s, spread evenly, also of those that connect later."""
    frame = message({"type": "ping", "timestamp": 1})
    while True:
        began = time.monotonic()
        present = list(sockets)
        for start in range(0, len(present), PINGED_TOGETHER):
            for socket in present[start : start + PINGED_TOGETHER]:
                socket.on_message = lambda _: None
                socket.transport.write(frame)
            await asyncio.sleep(4 * PINGED_TOGETHER / max(len(present), 4 * PINGED_TOGETHER))
        await asyncio.sleep(max(0.0, 5 - (time.monotonic() - began)))


class Poller(asyncio.Protocol):
    """A watch that polls without a pause over one HTTP connection."""

    def __init__(self, question: bytes) -> None:
        self.question, self.answers = question, 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.question)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 200"):
            self.answers += 1
            self.transport.write(self.question)


async def polling(contender: Contender, seconds: float) -> Figures:
    """20 watches that find nothing new; a unit is one poll."""
    one = await tunnel(contender, 0)
    pollers = []
    for number in range(20):
        who = urlencode({"tunnel_id": one.id, "auth_key": AUTH_KEY, "device_id": f"watch{number}"})
        question = f"GET /api/v1/watch/messages?{who}&since=0 HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        loop = asyncio.get_running_loop()
        start = partial(Poller, question)
        _, poller = await loop.create_connection(start, contender.host, contender.port)
        pollers.append(poller)
    figures = await measured(contender, seconds, lambda: sum(poller.answers for poller in pollers))
    for poller in pollers:
        poller.transport.abort()
    leave([one])
    return figures


SCENARIOS: dict[str, Scenario] = {
    "idle": idle,  # first, while a server's memory holds nothing of other loads that it could use again
    "pipelined": pipelined,
    "one at a time": one_at_a_time,
    "typing": typing,
    "stream to 1": stream_1,
    "stream to 10": stream_10,
    "stream to 100": stream_100,
    "voice": voice,
    "latency": latency,
    "500 pairs": five_hundred,
    "1,000 tunnels": thousand,
    "connect storm": storm,
    "register": registering,
    "watch polling": polling,
}
