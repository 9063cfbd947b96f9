"""A WebSocket client on the bare transport, for loads that a full client would be too slow for."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from tests.patience import patience

Handler = Callable[[bytes], bytes | None]

HEADER_END = b"\r\n\r\n"
MASK_KEY = b"\0\0\0\0"  # masking is the client's duty; with this key it costs the load generator nothing
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
FIRST_PART, PART, LAST_PART = 0x01, 0x00, 0x80  # of a message in fragments


def masked(payload: bytes, first: int = TEXT) -> bytes:
    """Return a whole frame from a client."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return b"".join((head, MASK_KEY, payload))


def message(content: dict[str, Any]) -> bytes:
    return masked(json.dumps(content, separators=(",", ":")).encode())


class RawSocket(asyncio.Protocol):
    """Hands every message to ``on_message``, whose answer (a frame) is written, one write a burst.

    Without a handler messages wait in ``inbox``. Pings are answered, pongs counted, nothing is checked.
    """

    def __init__(self, path: str = "/ws", headers: str = "") -> None:
        self.on_message: Handler | None = None
        self.on_close: Callable[[], None] | None = None
        self.inbox: deque[bytes] = deque()
        self.frames = 0
        self.pongs = 0
        self.closed: int | None = None  # the close code; 1006 when the connection just broke
        self.transport: asyncio.Transport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        self._path, self._headers = path, headers
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._need = 0  # bytes that must be there before it is worth looking
        self._room = asyncio.Event()
        self._room.set()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        path: str = "/ws",
        deadline: float = 20.0,
        headers: str = "",
        origin: str | None = None,
    ) -> RawSocket:
        """Connected and upgraded. `headers`: more of them, each with its line end; `origin`: our address."""
        loop, local = asyncio.get_running_loop(), (origin, 0) if origin else None
        async with patience(deadline):
            _, socket = await loop.create_connection(lambda: cls(path, headers), host, port, local_addr=local)
            await socket.opened
        return socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{self._headers}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._need:
            return
        if not self.opened.done() and not self._upgraded():
            return
        answers = self._read()
        if answers:
            self.transport.write(b"".join(answers))

    def connection_lost(self, problem: Exception | None) -> None:
        if self.closed is None:
            self.closed = 1006
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed before the upgrade"))
        self.gone.set_result(None)
        self._news.set()
        self._room.set()
        if self.on_close is not None:
            self.on_close()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def room(self) -> None:
        """Wait while much of what was written has not left."""
        await self._room.wait()

    def send(self, content: dict[str, Any]) -> None:
        self.transport.write(message(content))

    async def next(self, deadline: float = 20.0) -> dict[str, Any]:
        """Return the next message in the inbox, read as JSON."""
        async with patience(deadline):
            while not self.inbox:
                if self.closed is not None:
                    raise ConnectionError(f"closed with {self.closed}")
                self._news.clear()
                await self._news.wait()
        answer: dict[str, Any] = json.loads(self.inbox.popleft())
        return answer

    async def ask(self, content: dict[str, Any], deadline: float = 20.0) -> dict[str, Any]:
        self.send(content)
        return await self.next(deadline)

    def close(self) -> None:
        self.transport.abort()

    def _upgraded(self) -> bool:
        end = self._buffer.find(HEADER_END)
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            status = bytes(self._buffer[:64])
            self.opened.set_exception(ConnectionError(f"not upgraded: {status!r}"))
            self.transport.abort()
            return False
        del self._buffer[: end + len(HEADER_END)]
        self.opened.set_result(None)
        return True

    def _read(self) -> list[bytes]:
        buffer, at, answers = self._buffer, 0, []
        end = len(buffer)
        while end - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126 and end - at >= 4:
                size, start = (buffer[at + 2] << 8) | buffer[at + 3], at + 4
            elif size == 127 and end - at >= 10:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            elif size >= 126:
                break
            if end - start < size:
                self._need = start + size - at
                break
            payload = bytes(buffer[start : start + size])
            answer = self._handle(buffer[at], payload)
            if answer is not None:
                answers.append(answer)
            at = start + size
        else:
            self._need = 0
        del buffer[:at]
        return answers

    def _handle(self, first: int, payload: bytes) -> bytes | None:
        if first == TEXT:
            self.frames += 1
            if self.on_message is not None:
                return self.on_message(payload)
            self.inbox.append(payload)
            self._news.set()
        elif first in (FIRST_PART, PART):
            self._parts.append(payload)
        elif first == LAST_PART:
            whole = b"".join((*self._parts, payload))
            self._parts.clear()
            return self._handle(TEXT, whole)
        elif first == PING:
            return masked(payload, PONG)
        elif first == PONG:
            self.pongs += 1
        elif first == CLOSE:
            self.closed = int.from_bytes(payload[:2], "big") if payload else 1005
            return masked(payload[:2], CLOSE)
        return None
