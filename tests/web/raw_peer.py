"""A WebSocket peer that sends bytes of its own making, for what no proper client would send."""

import asyncio
import struct
from typing import ClassVar, Self

from tests.patience import PATIENCE, patience, within
from tests.protocol.wire import client as frame

HANDSHAKE = (
    b"GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def handshake(path: str = "/ws") -> bytes:
    return HANDSHAKE.replace(b"{path}", path.encode())


class RawPeer:
    """Reads the server's frames whole; ``opcode`` 0 with no payload is the end of the connection."""

    opened: ClassVar[list["RawPeer"]] = []  # for a fixture that resets them after each test

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.opened.append(self)

    @classmethod
    async def open(cls, port: int, extra: bytes = b"", path: str = "/ws", host: str = "127.0.0.1") -> Self:
        """Upgraded; ``extra`` is sent in the same segment as the handshake."""
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(handshake(path) + extra)
        head = await within(reader.readuntil(b"\r\n\r\n"))
        assert head.startswith(b"HTTP/1.1 101 "), head
        return cls(reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, text: bytes, opcode: int = TEXT, fin: bool = True) -> None:
        self.writer.write(frame(opcode, text, fin))

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    async def drain(self, deadline: float = PATIENCE) -> None:
        await within(self.writer.drain(), deadline)

    async def next(self, deadline: float = PATIENCE) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload."""
        async with patience(deadline):
            try:
                first, second = await self.reader.readexactly(2)
                length = second & 127
                if length == 126:
                    (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
                return first & 15, await self.reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, b""

    async def close_code(self, deadline: float = PATIENCE) -> int:
        """Return the code of the server's close frame, over whatever comes before; 1006 if there is none."""
        while True:
            opcode, payload = await self.next(deadline)
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") if payload else 1005
            if not (opcode or payload):
                return 1006

    async def ended(self, deadline: float = PATIENCE) -> bool:
        """Return whether the connection ends in time."""
        while await self.next(deadline) != (0, b""):
            pass
        return True

    def reset(self) -> None:
        self.writer.transport.abort()
