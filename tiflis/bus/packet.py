"""One packet in the making, and what a lane needs from the bus that carries it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tiflis.bus.channel import Channel


class Carrier(Protocol):
    """What a lane needs from the bus."""

    chunk_size: int
    flight_limit: int

    def now(self) -> float: ...
    def soon(self, call: Callable[[], None]) -> None: ...
    def wake(self, lane: Any) -> None: ...
    def watch(self, channel: Channel) -> None: ...
    def unwatch(self, channel: Channel) -> None: ...
    def ack_later(self, channel: Channel) -> None: ...
    def accept(self, channel: Channel) -> None: ...
    def packet(self, subject: bytes, parts: list[bytes | memoryview], size: int) -> None: ...


class Packet:
    """Collects frames and hands a packet over whenever the next frame does not fit."""

    def __init__(self, carrier: Carrier, subject: bytes, header: bytes, room: int) -> None:
        self._carrier = carrier
        self._subject = subject
        self._header = header
        self._room = room - len(header)
        self._parts: list[bytes | memoryview] = [header]
        self._size = len(header)
        self.room = self._room
        self.total = 0

    def need(self, size: int) -> None:
        if size > self.room and len(self._parts) > 1:
            self.finish()

    def add(self, frame: bytes | memoryview) -> None:
        self._parts.append(frame)
        self._size += len(frame)
        self.room -= len(frame)

    def extend(self, frames: Sequence[bytes | memoryview]) -> None:
        self._parts += frames
        size = sum(map(len, frames))
        self._size += size
        self.room -= size

    def finish(self) -> None:
        if len(self._parts) > 1:
            self._carrier.packet(self._subject, self._parts, self._size)
            self.total += self._size
            self._parts = [self._header]
            self._size = len(self._header)
            self.room = self._room
