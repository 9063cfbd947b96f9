"""The outbox: what is still to be sent to one peer, corked, bounded, and fair to pongs.

Small messages of one loop turn leave in one write, straight into the socket. Only what the kernel does not
take is the transport's: little at a time, so that what waits here can be shared between receivers, counted,
and overtaken by a pong. Big messages leave in fragments.
"""

import os
from collections import deque
from typing import Any, Protocol

from tiflis.protocol.frames import Opcode, frame, header
from tiflis.protocol.long_text import EscapedText
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.sessions.large import FRAGMENT, Large, LargeEscaped

KIB = 1024
MIB = 1024 * KIB

TRANSPORT_HIGH = 256 * KIB  # what the transport may hold: little, for it cannot be overtaken or shared
PRESSURE_HIGH = 1 * MIB  # above: the senders are no longer read
PRESSURE_LOW = 256 * KIB  # below: they are read again
BIG_WAIT = 1 * MIB  # a pong does not wait behind more than this (a phone gives up after 5 s)
PONGS_HIGH = 64 * KIB  # unsent pongs above this: the pinging peer is not read


class Transport(Protocol):
    def write(self, data: bytes | memoryview) -> None: ...
    def get_write_buffer_size(self) -> int: ...


class Cork:
    """Collects the outboxes that have something to send until the burst that filled them ends."""

    __slots__ = ("_call_soon", "depth", "dirty")

    def __init__(self, call_soon: "CallSoon") -> None:
        self._call_soon = call_soon
        self.depth = 0
        self.dirty: list[Outbox] = []

    def mark(self, outbox: "Outbox") -> None:
        """Enter an outbox outside a burst."""
        if not self.dirty:
            self._call_soon(self.flush)
        self.dirty.append(outbox)

    def flush(self) -> None:
        dirty, self.dirty = self.dirty, []
        for outbox in dirty:
            outbox.flush()


class CallSoon(Protocol):
    def __call__(self, callback: "Flush", /) -> object: ...


class Flush(Protocol):
    def __call__(self) -> None: ...


class Outbox:
    """One peer's unsent output."""

    __slots__ = (
        "_burst",
        "_cork",
        "_marked",
        "_pongs",
        "_queue",
        "_recent",
        "_relieved",
        "blocked",
        "descriptor",
        "frames",
        "high_water",
        "pong_bytes",
        "transport",
        "waiting",
        "written",
    )

    def __init__(self, cork: Cork, transport: Transport, relieved: Flush, descriptor: int = -1) -> None:
        """``relieved`` is called when the pressure is off: after ``pressed``, little waits again.

        ``descriptor``: the transport's socket; without one, -1, everything goes through the transport.
        """
        self._cork = cork
        self._relieved = relieved
        self.transport = transport
        self.descriptor = descriptor
        self._marked = False  # the cork has us in its list
        self._burst: list[bytes] = []
        self._queue: deque[bytes | Large | LargeEscaped] | None = None  # most sockets never need one
        self._pongs: deque[tuple[bool, bytes]] | None = None
        # What the transport may not have sent yet; at first perhaps what others gave it.
        self._recent: list[bytes | memoryview] = [b""] if transport.get_write_buffer_size() else []
        self.blocked = False  # the transport has had enough
        self.high_water = False  # more than PRESSURE_HIGH waits
        self.frames = 0  # queued since the last count
        self.waiting = 0  # bytes that the transport has not been given
        self.pong_bytes = 0
        self.written = 0  # bytes that have been written in all, here or by the transport

    def put(self, payload: bytes | EscapedText | SplicedText, opcode: int = Opcode.TEXT) -> None:
        """Queue one message. A large one may be made as it leaves."""
        size = len(payload)
        self.frames += 1
        if not self._marked:
            self._marked = True
            cork = self._cork
            if cork.depth:
                cork.dirty.append(self)
            else:
                cork.mark(self)
        if type(payload) is bytes and size <= FRAGMENT:
            head = header(opcode, size)
            self._burst.append(head)
            self._burst.append(payload)
            self.waiting += size + len(head)
        else:
            self._settle()
            large = LargeEscaped(payload) if isinstance(payload, EscapedText) else Large(opcode, payload)
            self._append(large)
            self.waiting += size
        if self.waiting > PRESSURE_HIGH:
            self.high_water = True

    def write_first(self, data: bytes) -> None:
        """Write bytes that go in front of all frames."""
        self._write(data)

    def send_now(self, data: bytes) -> None:
        """Write a whole frame; for an idle outbox."""
        self.frames += 1
        self._write(data)

    def put_pong(self, payload: bytes, opcode: int = Opcode.TEXT) -> None:
        """Queue an answer to a ping: in its order, unless something big is in the way."""
        if self.waiting <= BIG_WAIT:
            self.put(payload, opcode)
            return
        if self._pongs is None:
            self._pongs = deque()
        self._pongs.append((opcode == Opcode.TEXT, frame(opcode, payload)))
        self.frames += 1
        self.pong_bytes += len(payload) + 2

    def flush(self) -> None:
        """Give the transport what it takes."""
        self._marked = False
        if self.blocked or self._queue or self._pongs:
            self._settle()
            self.pump()
        elif self._burst:
            data, self._burst = b"".join(self._burst), []
            self.waiting = 0
            self._write(data)
        if self.high_water or self.pong_bytes:
            self._relieve()

    def _relieve(self) -> None:
        if self.waiting < PRESSURE_LOW and self.pong_bytes < PONGS_HIGH // 2:
            self.high_water = False
            self._relieved()

    def _settle(self) -> None:
        """Put the burst, as one piece, behind what waits already."""
        if self._burst:
            data, self._burst = b"".join(self._burst), []
            self._append(data)

    def _append(self, item: bytes | Large | LargeEscaped) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append(item)

    def pump(self) -> None:
        """Write until the transport has had enough."""
        while not self.blocked:
            if self._pongs and self._write_pong():
                continue
            if not self._queue:
                break
            first = self._queue[0]
            if isinstance(first, bytes):
                self._queue.popleft()
                self.waiting -= len(first)
                self._give(first)
            else:
                self._write_fragment(first)

    def _write_fragment(self, large: Large | LargeEscaped) -> None:
        self.waiting -= large.left
        head, piece = large.next()
        self.waiting += large.left
        if not large.left and self._queue:
            self._queue.popleft()
        self._give(head)
        self._give(piece)

    def _write_pong(self) -> bool:
        """Write a pong if one may go: a protocol pong between fragments too, one in JSON between messages."""
        assert self._pongs is not None
        first = self._queue[0] if self._queue else None
        amid = first is not None and not isinstance(first, bytes) and first.at > 0
        at = next((at for at, (is_message, _) in enumerate(self._pongs) if not (amid and is_message)), -1)
        if at < 0:
            return False
        _, frame = self._pongs[at]
        del self._pongs[at]
        self.pong_bytes = self.pong_bytes - len(frame) if self._pongs else 0
        self._give(frame)
        return True

    def _write(self, data: bytes) -> None:
        """Write straight into the socket, unless the transport has something left to write before."""
        if self._recent:
            self.settle()
            if self._recent:
                self._give(data)
                return
        try:
            taken = os.write(self.descriptor, data)
        except OSError:  # it is full, or broken, which the transport then notices
            taken = 0
        self.written += taken
        if taken < len(data):
            self._give(memoryview(data)[taken:])

    def _give(self, data: bytes | memoryview) -> None:
        """Write to the transport, which sends in a later turn of the loop: other sockets go first."""
        if self._recent:
            self.settle()
        self._recent.append(data)
        self.written += len(data)
        self.transport.write(data)

    def settle(self) -> None:
        """Forget output that the transport has sent."""
        if self._recent and not self.transport.get_write_buffer_size():
            self._recent = []

    # Handing the socket over

    def unsent_tail(self, size: int) -> bytes:
        """Return the last ``size`` bytes that the transport was given."""
        tail = b"".join(self._recent)
        return tail[len(tail) - size :] if size else b""

    def export(self) -> dict[str, Any]:
        """Return the waiting frames and, of big messages, their positions; not the transport's tail."""
        self._settle()
        return {
            "queue": [item if isinstance(item, bytes) else item.export() for item in self._queue or ()],
            "pongs": list(self._pongs or ()),
        }

    def restore(self, tail: bytes, state: dict[str, Any]) -> None:
        """Go on where another process's outbox has ended; ``tail``: what its transport did not send."""
        for item in state["queue"]:
            self._append(item if isinstance(item, bytes) else Large(*item))
            self.waiting += len(item) if isinstance(item, bytes) else len(item[1]) - item[2]
        if state["pongs"]:
            self._pongs = deque((bool(is_message), frame) for is_message, frame in state["pongs"])
            self.pong_bytes = sum(len(frame) for _, frame in self._pongs)
        self.high_water = self.waiting > PRESSURE_HIGH
        if tail:
            self._give(tail)
        self.pump()

    def drop(self) -> None:
        """Forget all that has not been written; the next frame may be a control frame."""
        self._burst.clear()
        self._queue = None
        self._pongs = None
        self.waiting = self.pong_bytes = 0

    @property
    def idle(self) -> bool:
        """Return whether nothing waits here or in the transport: True may come late, False never."""
        return not (self._recent or self.waiting or self.pong_bytes or self.blocked)

    def unsent(self) -> int:
        """Return the bytes waiting here and in the transport."""
        return self.waiting + self.pong_bytes + self.transport.get_write_buffer_size()

    def pinned(self) -> tuple[int, dict[int, int]]:
        """Return the bytes that only this outbox keeps, and those of payloads that it may share with others:
        by the payload's id its size, however much of it has been sent."""
        large = [item for item in self._queue or () if not isinstance(item, bytes)]
        rest = sum(item.left for item in large)
        return self.waiting - rest + self.pong_bytes, dict(item.shared for item in large)

    def sent(self) -> int:
        """Return the bytes that have left the process: grows while the peer takes anything."""
        return self.written - self.transport.get_write_buffer_size()
