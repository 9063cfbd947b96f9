"""How many processors this process may use: those of its affinity, bounded by the quotas of its cgroups."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def processors(root: Path = CGROUPS, own: Path = OWN) -> int:
    """Return the number, at least 1; a quota of 1.5 processors counts as 2.

    ``root``: where cgroups are mounted; ``own``: the file that names those of this process.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # there only on Linux
        allowed = os.cpu_count() or 1
    return max(1, min([allowed, *map(math.ceil, _quotas(root, own))]))


def _quotas(root: Path, own: Path) -> Iterator[float]:
    """Yield the quotas in processors, of version 2 and 1, of the process's group and of those around it.

    In a container its own group is mounted at the root, whatever path the file gives.
    """
    for line in _text(own).splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        top = root if number == "0" else root / "cpu"
        group = top / path.strip("/")
        for folder in (group, *group.parents):
            yield from _quota(folder)
            if folder == top:
                break


def _quota(folder: Path) -> Iterator[float]:
    either = _text(folder / "cpu.max") or " ".join(
        _text(folder / name) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    )
    quota, _, period = " ".join(either.split()).partition(" ")  # "max" or -1: no limit
    if quota.isdecimal() and period.isdecimal() and int(period):
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
