"""Ties between processes: a child of the main process never outlives it."""

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from multiprocessing import parent_process

from tiflis import logs

log = logging.getLogger(__name__)

# Seconds from the death of the main process to the hard end of a worker: enough to close its sockets, and
# short enough that a new start finds the port and the store free within 2 s.
ORPHAN_SECONDS = 1.0
EXIT_ORPHANED = 70  # EX_SOFTWARE: the process above is gone

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(seconds: float = ORPHAN_SECONDS) -> None:
    """End this process when its parent dies: SIGTERM at once, a hard exit `seconds` later.

    Call it in the main thread: the kernel keeps this setting per thread. There are two ways because neither
    is enough: prctl exists only on Linux and is too late if the parent died before the call, and a process
    that hangs in its drain ignores a signal.
    """
    parent = parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    threading.Thread(target=_outlive, args=(seconds,), name="parent-watch", daemon=True).start()


def leave_at_once() -> None:
    """Start the end of this process as if the parent had died: SIGTERM now, a hard exit soon."""
    threading.Thread(target=_end, args=(ORPHAN_SECONDS,), name="leave", daemon=True).start()


def parent_lives() -> bool:
    """Return whether the main process that started this one still runs; False in a main process."""
    parent = parent_process()
    return parent is not None and parent.is_alive()


def network_namespace() -> int | None:
    """Return the number of this process's network namespace; None on a system without such."""
    try:
        return os.stat("/proc/self/ns/net").st_ino
    except OSError:
        return None


def is_alive(pid: int) -> bool:
    """Return whether this process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    try:
        return _state(pid) not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return sys.platform != "linux"
    except OSError:
        return True  # no descriptor left to look: what may live is not taken for dead


class CpuWait:
    """The time that a process's main thread has waited for a CPU, including a wait that is not over.

    The kernel adds a wait to its count only when the wait ends, which can be seconds later. So a runnable
    thread whose counts stay the same is taken to wait since they were first read.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._counts: list[bytes] = []  # nanoseconds run, nanoseconds waited, times it got a CPU
        self._since = 0.0

    def seconds(self) -> float:
        """Return the seconds waited so far; 0 if unknown, for example because the process is gone."""
        now = time.monotonic()
        with contextlib.suppress(OSError, IndexError, ValueError):
            with open(f"/proc/{self._pid}/schedstat", "rb") as schedstat:
                counts = schedstat.read().split()
            if counts != self._counts or _state(self._pid) != b"R":
                self._counts, self._since = counts, now
            return int(counts[1]) / 1e9 + now - self._since
        return 0.0


def command_line(pid: int) -> list[str]:
    """Return the arguments that a process was started with; empty when they cannot be read."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as command:
        return [os.fsdecode(part) for part in command.read().split(b"\0") if part]
    return []


def _state(pid: int) -> bytes:
    """Return the letter of a process's state; raise OSError if it cannot be read."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].split()[0]


def _outlive(seconds: float) -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        log.error("main process died")
        _end(seconds)


def _end(seconds: float) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds)
    logs.flush()
    os._exit(EXIT_ORPHANED)
