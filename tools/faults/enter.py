"""A bare socket takes its role, and keeps it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from tests.harness import AUTH_KEY, REGISTRATION_KEY
from tests.rawsocket import RawSocket, message

PING_SECONDS = 5.0
PING_FRAME = message({"type": "ping", "timestamp": 1})


class Refused(Exception):
    """The server's answer was another than hoped for."""


async def register(socket: RawSocket, previous: str | None = None, deadline: float = 10.0) -> str:
    """Register a workstation on this socket; return its tunnel id."""
    payload: dict[str, Any] = {"api_key": REGISTRATION_KEY, "name": "load", "auth_key": AUTH_KEY}
    if previous is not None:
        payload |= {"reconnect": True, "previous_tunnel_id": previous}
    answer = await socket.ask({"type": "workstation.register", "payload": payload}, deadline)
    if answer["type"] != "workstation.registered":
        raise Refused(str(answer))
    return str(answer["payload"]["tunnel_id"])


async def connect(
    socket: RawSocket, tunnel: str, device: str, *, again: bool = False, deadline: float = 10.0
) -> None:
    payload: dict[str, Any] = {"tunnel_id": tunnel, "auth_key": AUTH_KEY, "device_id": device}
    if again:
        payload["reconnect"] = True
    answers = [await socket.ask({"type": "connect", "payload": payload}, deadline)]
    while answers[-1]["type"] != "connected":
        answer = answers[-1]
        if answer["type"] == "error" and answer["payload"]["code"] != "WORKSTATION_OFFLINE":
            raise Refused(str(answer))
        try:
            answers.append(await socket.next(deadline))  # told late, when the workstation is there
        except TimeoutError:
            raise Refused(f"not connected after {str(answers)[:300]}") from None


@contextlib.asynccontextmanager
async def kept_alive(*sockets: RawSocket, every: float = PING_SECONDS) -> AsyncIterator[None]:
    """Send pings on these sockets meanwhile, as clients do."""

    async def ping() -> None:
        while True:
            for socket in sockets:
                socket.transport.write(PING_FRAME)
            await asyncio.sleep(every)

    pings = asyncio.create_task(ping())
    try:
        yield
    finally:
        pings.cancel()
