"""What processes have used, from the kernel's own accounting."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """Seconds of processor time and of the clock; user and system time are only as fine as a tick."""

    cpu: float
    user: float
    system: float
    at: float

    def __sub__(self, other: Reading) -> Reading:
        return Reading(
            self.cpu - other.cpu, self.user - other.user, self.system - other.system, self.at - other.at
        )


def read(pids: Iterable[int]) -> Reading:
    """Return the sum over these processes, all threads."""
    cpu = user = system = 0.0
    for pid in pids:
        ticks = _ticks(pid)
        user, system = user + ticks[0], system + ticks[1]
        cpu += _scheduled(pid) or sum(ticks)
    return Reading(cpu, user, system, time.monotonic())


def _ticks(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) * TICK_SECONDS, int(fields[12]) * TICK_SECONDS


def _scheduled(pid: int) -> float:
    """Nanosecond-exact, where the kernel keeps it."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(pids: Iterable[int]) -> int:
    """Bytes of proportional memory."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def descendants(root: int) -> list[int]:
    """Return a process and all below it."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
    family = [root]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family
