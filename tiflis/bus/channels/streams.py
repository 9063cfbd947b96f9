"""One direction of a channel, without I/O: numbering, the window, what may be sent and what was consumed."""

from collections import deque
from typing import NamedTuple

from tiflis import metrics
from tiflis.bus.channels.packets import MORE

WINDOW = 4 * 1024 * 1024
"""Bytes sent and not consumed by the peer, at most: what a stalled reader can pile up at the other end."""
HIGH_WATER = 8 * 1024 * 1024
"""Unconsumed bytes above which a channel is not writable: its writer stops reading its socket."""
LOW_WATER = 2 * 1024 * 1024
HARD_CAP = 96 * 1024 * 1024
"""Unconsumed bytes at which a channel is closed: one message of 50 MiB on top of a full buffer still fits."""
ACK_AT_ONCE = 1024 * 1024
"""Consumed and not yet acknowledged: a quarter of the window, so that a fast sender never waits for
credit."""
OVERHEAD = 64
"""Counted for every chunk besides its bytes, so that millions of tiny messages are bounded too."""


class Piece:
    """A chunk of a message that is too long for one."""

    __slots__ = ("last", "message", "view")

    def __init__(self, message: bytes, view: memoryview, last: bool) -> None:
        self.message = message
        self.view = view
        self.last = last

    def __len__(self) -> int:
        return len(self.view)


Chunk = bytes | Piece


class Run(NamedTuple):
    """Consecutive chunks that are sent together; `lengths` as they are packed, `size` as it is counted."""

    first: int
    lengths: list[int]
    chunks: list[bytes | memoryview]
    size: int


class Outgoing:
    """The messages we send. Chunks move from `unsent` over `flying` (the peer may not have them) and
    `arrived` (it has them, but has not consumed them) into nothing."""

    __slots__ = (
        "arrived",
        "buffered",
        "consumed",
        "end",
        "flying",
        "flying_size",
        "received",
        "sent",
        "stopped",
        "unsent",
        "window",
    )

    def __init__(self) -> None:
        self.unsent: deque[Chunk] = deque()
        self.flying: deque[Chunk] = deque()
        self.arrived: deque[Chunk] = deque()
        self.end = 0
        self.sent = 0
        self.received = 0
        self.consumed = 0
        self.buffered = 0
        self.flying_size = 0
        self.window = WINDOW
        self.stopped = False  # the peer takes no more

    def add(self, message: bytes, chunk_size: int) -> None:
        """Queue one message, cut into chunks."""
        size = len(message)
        if size <= chunk_size:
            self.unsent.append(message)
            self.end += 1
            self.buffered += size + OVERHEAD
            return
        view = memoryview(message)
        for start in range(0, size, chunk_size):
            stop = start + chunk_size
            self.unsent.append(Piece(message, view[start:stop], stop >= size))
            self.end += 1
            self.buffered += min(stop, size) - start + OVERHEAD

    @property
    def outstanding(self) -> bool:
        """Return whether the peer has not consumed everything."""
        return self.consumed < self.end

    def next_size(self) -> int:
        """Return the length of the next chunk, or -1 if none may be sent now."""
        if not self.unsent or self.stopped:
            return -1
        size = len(self.unsent[0])
        if size + OVERHEAD > self.window and self.sent > self.consumed:
            return -1
        return size

    def run(self, room: int, count: int) -> Run:
        """Take up to `count` chunks to send: as many as fit into `room` bytes and the window.
        Each costs four bytes of room for its length."""
        unsent, flying = self.unsent, self.flying
        if len(unsent) == 1 and isinstance(unsent[0], bytes):
            return self._single(unsent[0], room)
        first, window, size = self.sent + 1, self.window, 0
        lengths: list[int] = []
        chunks: list[bytes | memoryview] = []
        idle = self.sent == self.consumed
        while unsent and len(chunks) < count:
            chunk = unsent[0]
            length = len(chunk)
            cost = length + OVERHEAD
            room -= length + 4
            if room < 0 or (window < cost and not idle):
                break
            idle = False
            window -= cost
            size += cost
            if isinstance(chunk, bytes):
                lengths.append(length)
                chunks.append(chunk)
            else:
                lengths.append(length if chunk.last else length | MORE)
                chunks.append(chunk.view)
            flying.append(chunk)
            unsent.popleft()
        self.sent += len(chunks)
        self.window = window
        self.flying_size += size
        return Run(first, lengths, chunks, size)

    def _single(self, chunk: bytes, room: int) -> Run:
        """Return the usual run under light load: one message. `next_size` has allowed it."""
        length = len(chunk)
        if room < length + 4:
            return Run(self.sent + 1, [], [], 0)
        cost = length + OVERHEAD
        self.unsent.clear()
        self.flying.append(chunk)
        self.sent += 1
        self.window -= cost
        self.flying_size += cost
        return Run(self.sent, [length], [chunk], cost)

    def acknowledged(self, received: int, consumed: int) -> int:
        """Note that the peer has received and consumed so many chunks; return the bytes that newly
        arrived."""
        acked = self._acked(min(received, self.end))
        consumed = min(consumed, self.received)
        if consumed > self.consumed:
            arrived, freed = self.arrived, 0
            for _ in range(consumed - self.consumed):
                freed += len(arrived.popleft()) + OVERHEAD
            self.consumed = consumed
            self.window += freed
            self.buffered -= freed
        return acked

    def _acked(self, received: int) -> int:
        if received <= self.received:
            return 0
        flying, arrived, acked = self.flying, self.arrived, 0
        for _ in range(received - self.received):
            if flying:
                chunk = flying.popleft()
                acked += len(chunk) + OVERHEAD
            else:  # taken back by a rewind although it had arrived
                chunk = self.unsent.popleft()
                self.sent += 1
                self.window -= len(chunk) + OVERHEAD
            arrived.append(chunk)
        self.received = received
        self.flying_size -= acked
        return acked

    def rewind(self) -> int:
        """Send again what the peer has not received; return its bytes."""
        size, self.flying_size = self.flying_size, 0
        metrics.count("bus_resends_total", by=bool(size))
        metrics.count("bus_resent_bytes_total", by=size)
        self.unsent.extendleft(reversed(self.flying))
        self.flying.clear()
        self.sent = self.received
        self.window += size
        return size

    def unacked(self) -> list[tuple[int, bytes]]:
        """Return the messages that the peer has not consumed, in order, each with the number of its last
        chunk."""
        messages: list[tuple[int, bytes]] = []
        number = self.consumed
        for queue in (self.arrived, self.flying, self.unsent):
            for chunk in queue:
                number += 1
                if isinstance(chunk, bytes):
                    messages.append((number, chunk))
                elif chunk.last:
                    messages.append((number, chunk.message))
        return messages


class Incoming:
    """The messages we receive, in order and once. Held chunks wait in `waiting`."""

    __slots__ = (
        "_nak_sent",
        "ack_due",
        "consumed",
        "nak_due",
        "parts",
        "parts_size",
        "received",
        "unacked_bytes",
        "waiting",
    )

    def __init__(self) -> None:
        self.received = 0
        self.consumed = 0
        self.unacked_bytes = 0  # bytes consumed since the last acknowledgement
        self.ack_due = False
        self.nak_due = False
        self._nak_sent = (-1, 0.0)
        self.parts: list[bytes] = []
        self.parts_size = 0
        self.waiting: deque[tuple[bytes, bool]] = deque()

    @property
    def buffered(self) -> int:
        """Return the bytes of messages that are incomplete or not delivered."""
        return self.parts_size + sum(len(chunk) for chunk, _ in self.waiting)

    def take(self, chunk: bytes, more: bool) -> bytes | None:
        """Consume the next chunk; return the message that it completes, or None."""
        self.consumed += 1
        self.unacked_bytes += len(chunk)
        if more:
            self.parts.append(chunk)
            self.parts_size += len(chunk)
            return None
        if not self.parts:
            return chunk
        self.parts.append(chunk)
        message = b"".join(self.parts)
        self.parts.clear()
        self.parts_size = 0
        return message

    def missed(self, now: float) -> bool:
        """Note a gap. Return True if it is to be reported to the peer (again)."""
        received, when = self._nak_sent
        if received == self.received and now - when < RETRY_SECONDS / 2:
            return False
        self._nak_sent = (self.received, now)
        self.nak_due = True
        return True

    def asked(self, sent: int) -> None:
        """Send our position to the peer, which has sent so many chunks."""
        self.ack_due = True
        self.nak_due = self.nak_due or sent > self.received

    def position_sent(self) -> None:
        """Note that our position is being sent to the peer."""
        self.ack_due = False
        self.unacked_bytes = 0


OPEN_SECONDS = 5.0
"""With the bus up, how long a peer may leave an OPEN unanswered."""
OPEN_SECONDS_AT_MOST = 15.0
"""The same with or without the bus."""
LINGER_SECONDS = 60.0
"""How long a closed channel waits for the peer to consume the rest without any progress."""
RETRY_SECONDS = 0.2
"""Without progress for so long, the peer is asked what it has; doubled each time up to a second."""
RETRY_SECONDS_AT_MOST = 1.0


class RetryTimer:
    """The waiting times of one channel; callers pass the time."""

    __slots__ = ("_opened_at", "_progress_at", "_retry", "_retry_at", "_up_seconds")

    def __init__(self, now: float) -> None:
        self._opened_at = now
        self._up_seconds = 0.0
        self.progressed(now)

    def progressed(self, now: float) -> None:
        """Begin again: the peer has answered, or something new is expected of it."""
        self._progress_at = now
        self._retry = RETRY_SECONDS
        self._retry_at = now + RETRY_SECONDS

    def should_ask(self, now: float) -> bool:
        """Return whether it is time to ask; the next time comes later."""
        if now < self._retry_at:
            return False
        self._retry = min(self._retry * 2, RETRY_SECONDS_AT_MOST)
        self._retry_at = now + self._retry
        return True

    def open_expired(self, now: float, up_seconds: float) -> bool:
        """Return whether the OPEN was unanswered for too long. `up_seconds`: of bus time since the last
        call."""
        self._up_seconds += up_seconds
        return self._up_seconds >= OPEN_SECONDS or now - self._opened_at >= OPEN_SECONDS_AT_MOST

    def linger_expired(self, now: float) -> bool:
        """Return whether the peer has not consumed any of the rest for too long."""
        return now - self._progress_at >= LINGER_SECONDS
