"""The log's way out: whole lines go to a descriptor whose reader may stop, and nothing waits for it.

A line is written at once where the descriptor can refuse it (a pipe, a terminal or a socket through a
non-blocking descriptor of our own). While it refuses, and where it cannot, lines wait in a bounded queue for
a thread. When the queue is full, lines are dropped and counted.
"""

import os
import select
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable

QUEUE_BYTES = 2**20  # some 3,000 lines
POLL_MS = 1000
RETRY_SECONDS = 0.01  # after a descriptor that was writable refused a line all the same

Write = Callable[[bytes], int]


def reopened(descriptor: int) -> int | None:
    """Return a non-blocking descriptor of the same pipe or terminal; None where there can be none.

    Setting O_NONBLOCK on `descriptor` itself would change it for every process that shares it, such as the
    shell that started the server.
    """
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None  # another open file would have another position
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        return None


def _writer(descriptor: int, own: int | None) -> Write | None:
    """Return how to write without waiting: may raise BlockingIOError; None when writing may wait."""
    if own is not None:
        return lambda line: os.write(own, line)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            return lambda line: os.write(descriptor, line)  # a full disk fails at once
        if stat.S_ISSOCK(mode):
            line_socket = socket.socket(fileno=os.dup(descriptor))
            return lambda line: line_socket.send(line, socket.MSG_DONTWAIT)
    except OSError:
        pass
    return None


class LogOutput:
    """Writes lines to one descriptor, in their order. `put` never waits and never raises OSError."""

    def __init__(self, descriptor: int, notice: Callable[[int], bytes], queue_bytes: int) -> None:
        """`notice(count)`: return the line about `count` lost lines."""
        self._own = reopened(descriptor)
        self._descriptor = descriptor if self._own is None else self._own
        self._write = _writer(descriptor, self._own)
        self._notice = notice
        self._limit = queue_bytes
        self._queue: deque[bytes] = deque()
        self._queued = 0  # bytes
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._torn = False  # the last line that reached the descriptor has no end yet
        self._resumed = False  # and the first one in the queue is the rest of it
        self._unsaid = 0  # lost lines without a notice so far
        self.lost = 0

    @property
    def full(self) -> bool:
        """Whether the next line would be lost: it need not be made."""
        return self._queued >= self._limit

    def put(self, line: bytes) -> None:
        """Write the line, or queue it; when the queue is full it is lost."""
        with self._changed:
            if self._unsaid and not self.full and self._offer(self._notice(self._unsaid)):
                self._unsaid = 0
            if not self._offer(line):
                self.lose()

    def lose(self) -> None:
        """Count a line that was not written."""
        with self._changed:
            self.lost += 1
            self._unsaid += 1

    def flush(self, seconds: float) -> None:
        """Wait until everything queued is written, at most so long."""
        with self._changed:
            if self._queue:
                self._start_thread()
            self._changed.wait_for(lambda: not self._queue, seconds)

    def close(self) -> None:
        """Give the descriptor of our own back, unless lines still wait for it."""
        with self._changed:
            if self._own is not None and not self._queue:
                os.close(self._own)
                self._own, self._write = None, None
                self._limit = 0  # what comes now is lost: the descriptor may soon belong to another file

    def _offer(self, line: bytes) -> bool:
        """Write or queue the line; return whether that was possible."""
        if self._queue or self._write is None:
            return self._enqueue(line)
        try:
            rest = self._untorn(line)
            rest = rest[self._write(rest) :]
        except BlockingIOError:
            return self._enqueue(line)
        except OSError:
            return False
        self._torn = self._resumed = bool(rest)
        return not rest or self._enqueue(rest, forced=True)

    def _untorn(self, line: bytes) -> bytes:
        """Return the line so that it stands on a line of its own: the one before may have been cut off by a
        full disk."""
        return b"\n" + line if self._torn and not self._resumed else line

    def _enqueue(self, line: bytes, forced: bool = False) -> bool:
        if self.full and not forced:
            return False
        self._queue.append(line)
        self._queued += len(line)
        self._start_thread()
        self._changed.notify_all()
        return True

    def _start_thread(self) -> None:
        """Without one more thread to be had, the queue waits for the next line to try again."""
        if self._thread is None:
            thread = threading.Thread(target=self._drain, name="log", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return
            self._thread = thread

    def _drain(self) -> None:
        """Write what is queued, for ever, waiting for the reader."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue))
                line = self._queue[0]
            written = self._write_waiting(self._untorn(line))
            with self._changed:
                self._queue.popleft()
                self._queued -= len(line)
                self._resumed = False
                if not written:
                    self.lose()
                elif self._unsaid and not self._queue:
                    self._enqueue(self._notice(self._unsaid))
                    self._unsaid = 0
                self._changed.notify_all()

    def _write_waiting(self, line: bytes) -> bool:
        """Write the line, and wait for its reader; return whether all of it was written."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while line:
            try:
                poll.poll(POLL_MS)
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                time.sleep(RETRY_SECONDS)
            except OSError:
                return False
            else:
                self._torn = bool(line)
        return True
