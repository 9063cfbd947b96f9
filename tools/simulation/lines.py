"""Connections without a network: a peer's end, and the server's, which can go from worker to worker."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from tiflis.limits import Limits
from tiflis.protocol.frames import FrameReader
from tiflis.relay.sessions.session import Pause, Session

DELAY = (0.0005, 0.02)  # seconds from one end to the other
FIRST_DESCRIPTOR = 1 << 30  # should one be closed by mistake, nothing real is
TICK = 1e-6  # no two things happen at one time: the loop promises no order then


class Line:
    """One connection. What the peer has said waits here, as in a kernel, while no worker reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self._loop, self._random = loop, random.Random(seed).random
        self.wire: SimWire | None = None
        self.inbox: deque[bytes] = deque()
        self.closed = False
        self.ended_at = 0.0  # when either end left, or the peer turned to another line
        self.written = 0.0  # when the server wrote what the peer reads now
        self.said = self.taken = 0  # messages of the peer: given to the network, and read by the server
        self.hear: Callable[[bytes], None] = lambda text: None
        self.lost: Callable[[], None] = lambda: None
        self._up = self._down = 0.0  # when the last thing said arrives, so that nothing overtakes

    def _later(self) -> float:
        return self._loop.time() + DELAY[0] + (DELAY[1] - DELAY[0]) * self._random()

    # The peer

    def say(self, text: bytes) -> None:
        self.said += 1
        self._up = max(self._up + TICK, self._later())
        self._loop.call_at(self._up, self._arrive, text)

    def _arrive(self, text: bytes) -> None:
        if not self.closed:
            self.inbox.append(text)
            self.read()

    def hang_up(self) -> None:
        """Leave as the peer: only its worker notices."""
        self.end()
        if self.wire is not None:
            self.wire.ended()

    def end(self) -> None:
        self.closed = True
        self.ended_at = self.ended_at or self._loop.time()

    # The server

    def read(self) -> None:
        while self.inbox and self.wire is not None and not self.wire.paused and not self.wire.close_by:
            self.taken += 1
            self.wire.heard = self._loop.time()
            self.wire.session.received(self.inbox.popleft())

    def tell(self, text: bytes) -> None:
        self._down = max(self._down + TICK, self._later())
        self._loop.call_at(self._down, self._reach, text, self._loop.time())

    def _reach(self, text: bytes, written: float) -> None:
        if not self.closed:
            self.written = written
            self.hear(text)

    def cut(self) -> None:
        """Drop the server's end: after what is under way, the peer notices."""
        self.ended_at = self.ended_at or self._loop.time()
        self._down = max(self._down + TICK, self._later())
        self._loop.call_at(self._down, self._break)

    def _break(self) -> None:
        if not self.closed:
            self.end()
            self.lost()


class Cellar:
    """All workers' descriptors, which are numbers of lines; each is to be closed once."""

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self._numbers = itertools.count(FIRST_DESCRIPTOR)

    def descriptor(self, line: Line) -> int:
        number = next(self._numbers)
        self.lines[number] = line
        return number

    def duplicate(self, descriptor: int) -> int:
        return self.descriptor(self.lines[descriptor])

    def close_all(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            self.lines.pop(descriptor, None)


class SimWire:
    """The server's end of a line, as the relay and the handover know a socket."""

    def __init__(self, owner: SimSockets, number: int, connection_id: str, address: str) -> None:
        self.owner, self.number, self.connection_id, self.address = owner, number, connection_id, address
        self.heard = self.opened = owner.loop.time()
        self.session = cast(Session, None)
        self.line: Line | None = None
        self.paused = Pause(0)
        self.close_by = 0.0
        self.leaving = self.dead = self.steered = False

    def send(self, text: bytes) -> None:
        if self.line is not None and not self.close_by and not self.dead:
            self.line.tell(text)

    send_pong = send
    reading = FrameReader()

    def close(self, code: int, reason: str = "") -> None:
        if not self.close_by and self.line is not None:
            self.close_by = self.owner.loop.time() + 5
            self.owner.closes.append((code, reason))
            self.line.cut()
            self.owner.loop.call_soon(self.ended)

    cut_off = close

    def ended(self) -> None:
        if not self.leaving and not self.dead:
            self.dead = True
            self.close_by = self.close_by or 1.0
            self.owner.forget(self)
            if self.session is not None:
                self.session.lost()

    def too_slow(self, now: float) -> bool:
        return False

    def probe(self) -> None:
        """Answer a protocol ping, as the peers of these stories do while they are connected."""
        if self.line is not None and not self.line.closed:
            self.heard = self.owner.loop.time()

    def raise_message_limit(self) -> None: ...
    def lower_message_limit(self) -> None: ...

    def pause(self, why: Pause) -> None:
        self.paused |= why

    def resume(self, why: Pause) -> None:
        self.paused &= ~why
        if not self.paused and self.line is not None:
            self.owner.loop.call_soon(self.line.read)

    # Leaving for another worker

    async def leave(self) -> tuple[int, dict[str, Any]]:
        self.pause(Pause.HANDOVER)
        self.leaving = True
        assert self.line is not None
        line, self.line = self.line, None
        line.wire = None
        descriptor = self.owner.cellar.descriptor(line)
        await asyncio.sleep(0)
        self.owner.forget(self)
        return descriptor, {"connection_id": self.connection_id, "address": self.address}

    async def adopt(self, descriptor: int, state: dict[str, Any]) -> None:
        line = self.owner.cellar.lines.pop(descriptor)
        await asyncio.sleep(0)
        self.paused = Pause.HANDOVER
        self.line, line.wire = line, self
        if self.owner.crashed:
            line.cut()
        if line.closed:
            self.owner.loop.call_soon(self.ended)

    def go(self) -> None:
        self.resume(Pause.HANDOVER)


class SimSockets:
    """All server ends in one worker."""

    def __init__(self, worker: str, loop: asyncio.AbstractEventLoop, cellar: Cellar, limits: Limits) -> None:
        self.worker, self.loop, self.cellar, self.limits = worker, loop, cellar, limits
        self.open: dict[int, SimWire] = {}
        self.closes: list[tuple[int, str]] = []
        self.crashed = False
        self._numbers = itertools.count(1)

    def make(self, address: str, connection_id: str = "", number: int = 0) -> SimWire:
        number = number or next(self._numbers)
        wire = SimWire(self, number, connection_id or f"{self.worker}.{number:x}", address)
        self.open[number] = wire
        return wire

    def forget(self, wire: SimWire) -> None:
        if self.open.get(wire.number) is wire:
            del self.open[wire.number]

    def check(self) -> None:
        """Check regularly, as every worker does."""
        now = self.loop.time()
        for wire in list(self.open.values()):
            if not wire.close_by and not wire.paused and wire.session is not None:
                wire.session.check(now)
