"""A seeded load of numbered, checksummed messages both ways over several tunnels, at a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import string
import time
from dataclasses import dataclass, field
from typing import Any

from tests.harness import Server
from tests.rawsocket import RawSocket, masked, message
from tools.faults.enter import PING_FRAME, PING_SECONDS, Refused, connect, register
from tools.faults.ledger import LARGE, Ledger

LARGE_SHARE = 0.01
SMALL = (10, 8 << 10)  # bytes
OPENING = 40  # sockets that are opened at the same time


@dataclass
class End:
    """One socket of the load: the workstation ("ws") or a device of a tunnel."""

    tunnel: str
    name: str
    socket: RawSocket
    closed: list[int] = field(default_factory=list)  # close codes, one for each time it was lost
    control: list[str] = field(default_factory=list)  # types of what the server itself said
    large_under_way: bool = False
    silent: bool = False  # it sends nothing of its own


class Load:
    """Tunnels with a workstation and clients that talk all the time, and the ledger about it.

    `rate`: messages a second of each client and, to each client, of its workstation.
    """

    def __init__(
        self,
        server: Server,
        *,
        seed: int,
        tunnels: int = 4,
        clients: int = 2,
        rate: float = 20.0,
        largest: int = 1 << 20,
    ) -> None:
        self.server, self.dice = server, random.Random(seed)
        self.tunnels, self.clients, self.rate, self.largest = tunnels, clients, rate, largest
        self.ledger = Ledger()
        self.ends: list[End] = []
        self.errors: list[str] = []
        self.reconnects = False
        self.lag = 0.0  # the longest that this process itself was not at work, in seconds
        self._pad = "".join(self.dice.choices(string.ascii_letters, k=1 << 16))
        self._tasks: list[asyncio.Task[None]] = []
        self._large = asyncio.Lock()

    async def __aenter__(self) -> Load:
        room = asyncio.Semaphore(OPENING)

        async def one() -> None:
            async with room:
                await self._tunnel()

        pings = asyncio.create_task(self._keep_alive())
        await asyncio.gather(*(one() for _ in range(self.tunnels)))
        pings.cancel()
        return self

    async def _keep_alive(self) -> None:
        """Send pings on the open sockets, as clients do, until the load starts."""
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._ping()

    def _ping(self) -> None:
        for end in self.ends:
            if end.socket.closed is None:
                end.socket.transport.write(PING_FRAME)

    async def __aexit__(self, *_: object) -> None:
        await self._cancel()
        for end in self.ends:
            end.socket.on_close = None
            end.socket.close()

    # Who takes part

    @property
    def workstations(self) -> list[End]:
        return [end for end in self.ends if end.name == "ws"]

    def tunnel_ids(self) -> set[str]:
        return {end.tunnel for end in self.ends}

    def devices(self, tunnel: str) -> list[End]:
        return [end for end in self.ends if end.tunnel == tunnel and end.name != "ws"]

    def homes(self) -> dict[str, int]:
        """Return the worker process that holds each tunnel's workstation."""
        found = {end.tunnel: worker_of(self.server, end.socket) for end in self.workstations}
        return {tunnel: pid for tunnel, pid in found.items() if pid is not None}

    async def _tunnel(self) -> None:
        socket = await RawSocket.open("127.0.0.1", self.server.port)
        tunnel = await register(socket)
        self._seat(End(tunnel, "ws", socket))
        for number in range(self.clients):
            await self.join(tunnel, f"d{number}")

    async def join(self, tunnel: str, device: str) -> End:
        socket = await RawSocket.open("127.0.0.1", self.server.port)
        await connect(socket, tunnel, device)
        return self._seat(End(tunnel, device, socket))

    def _seat(self, end: End) -> End:
        self.ends.append(end)
        self._listen(end, end.socket)
        return end

    def _listen(self, end: End, socket: RawSocket) -> None:
        end.socket = socket
        socket.on_message = lambda payload: self._heard(end, payload)
        socket.on_close = lambda: self._lost(end, socket)
        while socket.inbox:
            self._heard(end, socket.inbox.popleft())

    # What they say

    def start(self) -> None:
        for end in self.ends:
            self._tasks.append(asyncio.create_task(self._talk(end, random.Random(self.dice.random()))))
        self._tasks.append(asyncio.create_task(self._watch_own_lag()))

    async def run(self, seconds: float) -> None:
        self.start()
        await asyncio.sleep(seconds)
        await self.finish()

    async def finish(self, deadline: float = 20.0) -> None:
        """Say no more, and wait until all has arrived; what has not by then is lost."""
        await self._cancel()
        end = time.monotonic() + deadline
        pinged = time.monotonic()
        while not self.ledger.settled() and time.monotonic() < end:
            await asyncio.sleep(0.02)
            if time.monotonic() - pinged > PING_SECONDS:
                pinged = time.monotonic()
                self._ping()

    async def _talk(self, end: End, dice: random.Random) -> None:
        pause = 1 / self.rate
        if end.name == "ws":
            pause /= self.clients
        await asyncio.sleep(dice.random() * pause)
        turn = time.monotonic()
        while True:
            if end.socket.closed is None and not end.large_under_way and not end.silent:
                await self._say(end, dice)
                await end.socket.room()
            turn = max(turn + pause, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, turn - time.monotonic()))

    async def _say(self, end: End, dice: random.Random) -> None:
        if self.largest > SMALL[1] and dice.random() < LARGE_SHARE and not self._large.locked():
            await self._say_large(end, dice)
        else:
            self.say(end, self._receiver(end, dice), _size(dice, *SMALL))

    def _receiver(self, end: End, dice: random.Random) -> str:
        if end.name != "ws":
            return "ws"
        if dice.random() < 0.1:
            return "all"
        return dice.choice(self.devices(end.tunnel)).name

    def say(self, end: End, receiver: str, size: int) -> str:
        """Send one message; return its flow's name."""
        name = f"{end.tunnel}/{end.name}/{receiver}"
        end.socket.transport.write(self.frame(name, size))
        return name

    def frame(self, name: str, size: int) -> bytes:
        """Return the next message of a flow as its sender puts it on the wire."""
        pad = (self._pad * (size // len(self._pad) + 1))[:size]
        tunnel, sender, receiver = name.split("/")
        if sender != "ws":
            number = self.ledger.flows[name].sent + 1 if name in self.ledger.flows else 1
            return masked(self.ledger.write(name, pad, id=f"{name}#{number}").encode())
        if receiver == "all":
            audience = [device.name for device in self.devices(tunnel)]
            return masked(self.ledger.write(name, pad, audience).encode())
        text = self.ledger.write(name, pad)
        return message({"type": "forward.to_device", "device_id": receiver, "payload": text})

    async def _say_large(self, end: End, dice: random.Random) -> None:
        """Send a large message; only one is on its way in the whole load, so that the machine is not the
        limit."""
        async with self._large:
            receiver = "ws" if end.name != "ws" else dice.choice(self.devices(end.tunnel)).name
            end.large_under_way = True
            name = self.say(end, receiver, _size(dice, LARGE, self.largest))
            flow, number = self.ledger.flows[name], self.ledger.flows[name].sent
            over = time.monotonic() + 10
            while flow.expected <= number and time.monotonic() < over and end.socket.closed is None:
                await asyncio.sleep(0.01)
            end.large_under_way = False

    # What they hear

    def _heard(self, end: End, payload: bytes) -> None:
        content: dict[str, Any] = json.loads(payload)
        kind = content["type"]
        if kind == "load":
            self.ledger.read(content, end.tunnel, end.name)
        elif kind == "error":
            self.errors.append(str(content["payload"]["code"]))
            self.ledger.reported(str(content.get("id", "")))
        elif kind != "pong":
            end.control.append(kind)

    def _lost(self, end: End, socket: RawSocket) -> None:
        if end.socket is socket:
            end.closed.append(socket.closed or 1006)
            if self.reconnects:
                self._tasks.append(asyncio.create_task(self._come_again(end)))

    async def _come_again(self, end: End) -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError, ConnectionError, Refused):
                socket = await RawSocket.open("127.0.0.1", self.server.port, deadline=5)
                if end.name == "ws":
                    await register(socket, end.tunnel)
                else:
                    await connect(socket, end.tunnel, end.name, again=True)
                self._listen(end, socket)
                return
            await asyncio.sleep(0.2)

    # Inside

    async def _watch_own_lag(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.lag = max(self.lag, time.monotonic() - before - 0.01)

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for problem in results:
            if isinstance(problem, Exception):
                raise problem


def worker_of(server: Server, socket: RawSocket) -> int | None:
    """Return the process that holds the server's end of this connection."""
    return server.worker_at(socket.transport.get_extra_info("sockname")[1])


def _size(dice: random.Random, least: int, most: int) -> int:
    """Small ones are as likely as large ones of the same order."""
    return int(math.exp(dice.uniform(math.log(least), math.log(most))))
