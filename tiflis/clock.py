"""The patient clock: the event loop's time without the pauses of this process.

A process that was stopped, swapped out or starved of CPU has not read what its peers sent meanwhile: that
waits in the kernel. So every deadline on a peer is measured with this clock. It moves by at most
``STEP_SECONDS`` between two turns of the event loop, and a deadline that comes due across a pause is judged
only after the sockets have been read once more.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

TICK_SECONDS = 0.1  # between two looks at how long the loop's last turn took
STEP_SECONDS = 0.25  # of a turn that took longer only so much counts; below the shortest deadline, 0.5 s
_ROUNDING = 0.001  # event loops fire timers up to a millisecond early


class Loop(Protocol):
    """The part of an event loop that the clock uses."""

    def time(self) -> float: ...
    def call_soon(self, callback: Callable[[], None], /) -> object: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle: ...


class PatientClock:
    """The clock of one event loop. Its times compare with each other, not with the loop's."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.call_soon = loop.call_soon
        self.call_later = loop.call_later  # for regular work; a deadline on a peer is a ``Deadline``
        self._credited = 0.0
        self._ticked_at = loop.time()
        loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        self._credited += max(0.0, now - self._ticked_at - STEP_SECONDS)
        self._ticked_at = now
        self.loop.call_later(TICK_SECONDS, self._tick)

    def time(self) -> float:
        """Return seconds in which this process ran."""
        now = self.loop.time()
        paused = now - self._ticked_at - STEP_SECONDS
        return now - self._credited if paused <= 0 else now - self._credited - paused

    @property
    def paused(self) -> float:
        """Return how many seconds this process has stood still so far."""
        return self.loop.time() - self.time()

    def deadline(self, seconds: float, callback: Callable[[], None]) -> "Deadline":
        """Call back after so many seconds in which this process ran."""
        return Deadline(self, seconds, callback)

    async def sleep(self, seconds: float) -> None:
        """Sleep for as long by this clock."""
        over = asyncio.Event()
        deadline = self.deadline(seconds, over.set)
        try:
            await over.wait()
        finally:
            deadline.cancel()

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        """Raise TimeoutError in a block that lasts longer than this by this clock, as ``asyncio.timeout``
        does."""
        async with asyncio.timeout(None) as limit:
            deadline = self.deadline(seconds, lambda: limit.reschedule(self.loop.time()))
            try:
                yield
            finally:
                deadline.cancel()


class Deadline:
    """One call at a time of a patient clock."""

    __slots__ = ("_callback", "_clock", "_due", "_expected_at", "_looked_again", "_timer")

    def __init__(self, clock: PatientClock, seconds: float, callback: Callable[[], None]) -> None:
        self._clock, self._callback = clock, callback
        self._due = clock.time() + seconds
        self._looked_again = False
        self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        self._expected_at = self._clock.loop.time() + seconds
        self._timer = self._clock.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._due - self._clock.time()
        late = self._clock.loop.time() - self._expected_at > STEP_SECONDS
        if late and not self._looked_again:  # once: a loop that is always late must come to an end too
            self._looked_again = True
            left = max(left, TICK_SECONDS)
        if left > _ROUNDING:
            self._wait(left)
        else:
            self._callback()

    def cancel(self) -> None:
        """Do not call back."""
        self._timer.cancel()


class _Running(threading.local):
    clock: PatientClock | None = None


_running = _Running()


def running_clock() -> PatientClock:
    """Return the patient clock of the running event loop; one is made at the first call."""
    loop = asyncio.get_running_loop()
    clock = _running.clock
    if clock is None or clock.loop is not loop:
        clock = _running.clock = PatientClock(loop)
    return clock
