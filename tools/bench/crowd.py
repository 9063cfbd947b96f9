"""Workstations and clients of a load, connected to one contender."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rawsocket import RawSocket
from tools.bench.contenders import Contender

AUTH_KEY = "bench-auth-key-0123456789"
AT_ONCE = 100  # connections under way at the same time


@dataclass
class Tunnel:
    """A workstation and its clients, at work."""

    id: str
    workstation: RawSocket
    clients: list[RawSocket]


async def tunnel(contender: Contender, clients: int = 1, seated: list[RawSocket] | None = None) -> Tunnel:
    """Open one tunnel; with `apart` set, the workstation at its first worker and the clients at its second.

    All who are at work already are in `seated`, in case they have to be kept alive meanwhile.
    """
    seated = [] if seated is None else seated
    workstation = await _open(contender, 0)
    register = {"api_key": contender.key, "name": "bench", "auth_key": AUTH_KEY}
    answer = await workstation.ask({"type": "workstation.register", "payload": register})
    tunnel_id = answer["payload"]["tunnel_id"]
    seated.append(workstation)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> RawSocket:
        async with room:
            socket = await client(contender, tunnel_id, f"dev{number}")
        seated.append(socket)
        return socket

    return Tunnel(tunnel_id, workstation, await asyncio.gather(*map(one, range(clients))))


async def client(contender: Contender, tunnel_id: str, device_id: str) -> RawSocket:
    socket = await _open(contender, 1)
    who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": device_id}
    answer = await socket.ask({"type": "connect", "payload": who})
    if answer["type"] != "connected":
        raise RuntimeError(f"not connected: {answer}")
    return socket


async def tunnels(
    contender: Contender, count: int, clients: int = 1, seated: list[RawSocket] | None = None
) -> list[Tunnel]:
    room = asyncio.Semaphore(max(1, AT_ONCE // (clients + 1)))

    async def one() -> Tunnel:
        async with room:
            return await tunnel(contender, clients, seated)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def _open(contender: Contender, end: int) -> RawSocket:
    with _accepting_only(contender.apart, end):
        return await RawSocket.open(contender.host, contender.port, contender.path)


@contextlib.contextmanager
def _accepting_only(workers: list[int], chosen: int) -> Iterator[None]:
    """Hold the other worker still, so that the chosen one accepts what connects meanwhile."""
    others = [worker for number, worker in enumerate(workers) if number != chosen]
    for worker in others:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in others:
            os.kill(worker, signal.SIGCONT)
