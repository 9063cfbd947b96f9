"""The memory of this process, and how what was freed goes back to the system."""

import ctypes
import resource
from collections.abc import Callable
from pathlib import Path

STEP = 24 * 2**20  # bytes grown since the last look that are worth one: it takes some milliseconds

_PAGE = resource.getpagesize()


def resident() -> int:
    """Return the resident bytes of this process."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _trimmer() -> Callable[[int], object]:
    """Return glibc's ``malloc_trim``, or something that does nothing where there is none."""
    try:
        trim: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda pad: None
    return trim


class Heap:
    """Gives freed memory back in the middle of the heap too, where large messages leave holes."""

    def __init__(self) -> None:
        self._trim = _trimmer()
        self._mark = resident()

    def tidy(self) -> None:
        """Look at how much the process has grown; call it regularly while peers pin much."""
        size = resident()
        if size > self._mark + STEP:
            self._trim(0)
            size = resident()
            self._mark = max(self._mark, size)
        self._mark = min(self._mark, size + STEP)
