"""Limits how often one event is logged: peers without a key cause lines too, and must not fill the disk."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class _Burst:
    """The lines of one place in the code since the start of its minute."""

    logger: str
    level: int
    event: str
    ends: float
    lines: int = 0
    left_out: int = 0


class Bursts:
    """Admits a bounded number of lines per minute from each place in the code, and counts the others.

    A place is one call that logs. Texts would not do: a peer could make a new one for every line.
    Not for several threads at once: the handler's lock is around it.
    """

    def __init__(self, lines: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines, self._clock = lines, clock
        self._bursts: dict[tuple[str, int], _Burst] = {}
        self._due = math.inf  # when the first summary is

    def admits(self, record: logging.LogRecord) -> bool:
        """Return whether the record is to be written."""
        now, place = self._clock(), (record.pathname, record.lineno)
        burst = self._bursts.get(place)
        if burst is None or now >= burst.ends:
            event = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            burst = _Burst(record.name, record.levelno, event, now + WINDOW_SECONDS)
            self._bursts[place] = burst
        if burst.lines < self._lines:
            burst.lines += 1
            return True
        burst.left_out += 1
        self._due = min(self._due, burst.ends)
        return False

    def summaries(self, at_once: bool = False) -> list[logging.LogRecord]:
        """Return one record for each minute that is over (or any, `at_once`) and had too many lines.

        To be called before `admits`, which begins the next minute.
        """
        now = self._clock()
        if now < self._due and not at_once:
            return []
        over = [place for place, burst in self._bursts.items() if at_once or now >= burst.ends]
        records = [_summary(burst) for burst in map(self._bursts.pop, over) if burst.left_out]
        self._due = min((burst.ends for burst in self._bursts.values() if burst.left_out), default=math.inf)
        return records


def _summary(burst: _Burst) -> logging.LogRecord:
    record = logging.LogRecord(
        burst.logger, burst.level, __file__, 0, "more lines of one event left out", None, None
    )
    record.__dict__.update(like=burst.event, lines=burst.left_out)
    return record
