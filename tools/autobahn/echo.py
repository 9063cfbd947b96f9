"""An echo server built on the frame reader alone: what the Autobahn test suite talks to."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.utils import accept_key

from tiflis.protocol.frames import CloseCode, FrameReader, Opcode, close_frame, frame

_KEY = re.compile(rb"^sec-websocket-key:[ \t]*(\S+)[ \t]*\r$", re.IGNORECASE | re.MULTILINE)


class Echo(asyncio.Protocol):
    """One connection: upgrades at once, returns every message, answers pings, closes as the reader says."""

    def __init__(self) -> None:
        self._request = b""
        self._upgraded = False
        self._reader = FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._upgraded:
            self._frames(data)
            return
        self._request += data
        head, blank_line, rest = self._request.partition(b"\r\n\r\n")
        if blank_line:
            self._upgrade(head + b"\r\n")
            self._frames(rest)

    def _upgrade(self, head: bytes) -> None:
        key = _KEY.search(head)
        if key is None:
            self._transport.close()
            return
        self._upgraded = True
        accept = accept_key(key[1].decode("ascii"))
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n"
        )

    def _frames(self, data: bytes) -> None:
        for opcode, payload in self._reader.feed(data):
            self._answer(opcode, payload)
        if self._reader.failure is not None:
            self._end(close_frame(*self._reader.failure))

    def _answer(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.PING:
            self._transport.write(frame(Opcode.PONG, payload))
        elif opcode == Opcode.CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else CloseCode.NORMAL
            self._end(close_frame(code))
        elif opcode != Opcode.PONG:
            self._transport.write(frame(opcode, payload))

    def _end(self, last: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(last)
            self._transport.close()


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """Run an echo server on loopback; yield the port that the kernel chose."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
