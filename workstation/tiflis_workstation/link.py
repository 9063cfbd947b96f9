"""The workstation's wire to the tunnel server: register, ping, reconnect for ever (protocol 1.1 and 6)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tiflis_workstation.outbox import Outbox
from tiflis_workstation.wire import Message, encode

log = logging.getLogger("tiflis_workstation")

PING_SECONDS = 5.0
SILENCE_SECONDS = 15.0  # three pings without a pong
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
OPEN_SECONDS = 10.0
REGISTER_SECONDS = 15.0
CLOSE_SECONDS = 1.0
MESSAGE_BYTES = 64 * 2**20  # the server relays up to 50 MiB
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RegistrationRefused(Exception):
    """The server said no; `code` is its word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(slots=True)
class Credentials:
    """The data of a registration; `tunnel_id` is filled in by the first registration."""

    api_key: str = field(repr=False)
    auth_key: str = field(repr=False)
    name: str
    tunnel_id: str = ""

    def registration(self) -> Message:
        payload: Message = {"api_key": self.api_key, "name": self.name, "auth_key": self.auth_key}
        if self.tunnel_id:
            payload |= {"reconnect": True, "previous_tunnel_id": self.tunnel_id}
        return {"type": "workstation.register", "payload": payload}


@dataclass(frozen=True, slots=True)
class Registration:
    """The server's answer to a registration."""

    tunnel_id: str
    public_url: str
    restored: bool


def retry_seconds(failures: int) -> float:
    """0.5 s, 1 s, 2 s, 4 s, then 5 s for ever."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, 10), LONGEST_RETRY_SECONDS)


class TunnelLink:
    """Holds one registered socket at a time and calls back from the event loop."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        on_registered: Callable[[Registration], None],
        on_message: Callable[[Message], None],
        on_down: Callable[[Exception], None],
    ) -> None:
        self.url = url
        self.credentials = credentials
        self.outbox = Outbox()
        self.online = False
        self._on_registered = on_registered
        self._on_message = on_message
        self._on_down = on_down
        self._failures = 0
        self._heard = 0.0
        self._socket: ClientConnection | None = None

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        while True:
            try:
                await self._one_connection()
                failure: Exception = ConnectionError("the server closed the connection")
            except (OSError, WebSocketException, TimeoutError, RegistrationRefused, ValueError) as caught:
                failure = caught
            finally:
                self.online = False
            self._on_down(failure)
            await asyncio.sleep(retry_seconds(self._failures))
            self._failures += 1

    def send(self, message: Message) -> None:
        self.outbox.put(encode(message))

    def abort(self) -> None:
        """Break the connection as a lost network does; `run` makes a new one."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _one_connection(self) -> None:
        async with connect(
            self.url,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,  # the protocol has pings of its own
            compression=None,
            max_size=MESSAGE_BYTES,
            proxy=self._proxy(),
        ) as socket:
            self._socket = socket
            registration = await asyncio.wait_for(self._register(socket), REGISTER_SECONDS)
            self.credentials.tunnel_id = registration.tunnel_id
            self.online = True
            self._failures = 0
            self._on_registered(registration)
            await self._serve(socket)

    def _proxy(self) -> Literal[True] | None:
        """Return True for a proxy from the environment, None for none: on loopback there is none."""
        return None if urlsplit(self.url).hostname in LOOPBACK else True

    async def _register(self, socket: ClientConnection) -> Registration:
        await socket.send(encode(self.credentials.registration()))
        while True:
            message = read(await socket.recv())
            payload = message.get("payload")
            if not isinstance(payload, dict):
                continue
            if message.get("type") == "error":
                raise RegistrationRefused(str(payload.get("code")), str(payload.get("message")))
            if message.get("type") == "workstation.registered":
                tunnel_id, public_url = payload.get("tunnel_id"), payload.get("public_url")
                if not isinstance(tunnel_id, str):
                    raise ValueError("registered without a tunnel id")
                return Registration(tunnel_id, str(public_url or self.url), payload.get("restored") is True)

    async def _serve(self, socket: ClientConnection) -> None:
        """Reads until the socket ends; whatever fails first ends the others."""
        self._heard = time.monotonic()
        chores = [asyncio.create_task(work(socket)) for work in (self._read, self._write, self._ping)]
        try:
            done, _ = await asyncio.wait(chores, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
        for chore in done:
            chore.result()

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            self._heard = time.monotonic()
            message = read(text)
            if message.get("type") != "pong":
                self._on_message(message)

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            text = await self.outbox.first()
            await socket.send(text)
            self.outbox.sent(text)

    async def _ping(self, socket: ClientConnection) -> None:
        while True:
            await socket.send(encode({"type": "ping", "timestamp": int(time.time() * 1000)}))
            slept_at = time.monotonic()
            await asyncio.sleep(PING_SECONDS)
            # What came while this process stood still waits to be read.
            self._heard += max(0.0, time.monotonic() - slept_at - PING_SECONDS)
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                raise TimeoutError(f"nothing heard for {SILENCE_SECONDS:.0f} s")


def read(text: str | bytes) -> dict[str, Any]:
    """Return a message as an object; for anything else an empty one, which is not answered."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
