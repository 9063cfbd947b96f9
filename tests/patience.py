"""Deadlines of tests, in seconds of a machine that keeps up: they last longer while the machine lags."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 10.0  # seconds for an event that must come; a test that passes never waits so long
WALL_PATIENCE = (
    60.0  # seconds of real time, for HTTP clients and subprocesses, which have clocks of their own
)
REST_SHARE = 9.0  # times as long as a look at a condition took, the next one is away
LOOK_SECONDS = 0.1  # between two measurements of the machine's lag


class MachineClock:
    """Counts seconds of a machine that keeps up.

    With three runnable threads per CPU all work takes three times as long: a second then counts a third.
    Time in which the clock's own thread was not run does not count at all.
    """

    def __init__(self, runnable: Callable[[], int], time: Callable[[], float], cpus: int) -> None:
        self._runnable, self._time, self._cpus = runnable, time, cpus
        self._seconds, self._looked = 0.0, time()

    def start(self) -> None:
        """Measure in a thread until the process ends."""
        threading.Thread(target=self._measure, name="machine-clock", daemon=True).start()

    def seconds(self) -> float:
        """Return the seconds up to the last measurement."""
        return self._seconds

    def look(self) -> None:
        """Add the time since the last measurement, as far as the machine kept up."""
        now = self._time()
        lag = max(1.0, self._runnable() / self._cpus)
        self._seconds += min(now - self._looked, 2 * LOOK_SECONDS) / lag
        self._looked = now

    def _measure(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()


def runnable_threads() -> int:
    """Return how many threads of the whole machine run or wait for a CPU, without the one that asks."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) - 1


@functools.cache
def _clock() -> MachineClock:
    clock = MachineClock(runnable_threads, time.monotonic, len(os.sched_getaffinity(0)))
    clock.start()
    return clock


def now() -> float:
    """Return the machine's seconds, for durations: exact to ``LOOK_SECONDS``."""
    return _clock().seconds()


def rest_after(condition: Callable[[], object]) -> float | None:
    """Return None if the condition holds, else the seconds until the next look.

    A condition that takes long to look at is looked at more rarely: what it waits for needs the processor.
    """
    began = time.thread_time()
    return None if condition() else max(0.01, REST_SHARE * (time.thread_time() - began))


def wait_until(condition: Callable[[], object], deadline: float, what: str) -> None:
    """Look at `condition` every few milliseconds until it holds; fail after `deadline` seconds."""
    end = now() + deadline
    while (pause := rest_after(condition)) is not None:
        if now() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(pause)


async def eventually(condition: Callable[[], object], deadline: float, what: str) -> None:
    """`wait_until` for a test that runs in an event loop."""
    end = now() + deadline
    while (pause := rest_after(condition)) is not None:
        if now() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        await asyncio.sleep(pause)


@contextlib.asynccontextmanager
async def patience(seconds: float = PATIENCE) -> AsyncIterator[None]:
    """Raise TimeoutError in the body after so many seconds, as `asyncio.timeout` does."""
    loop, end = asyncio.get_running_loop(), now() + seconds
    timer: asyncio.TimerHandle | None = None
    async with asyncio.timeout(None) as limit:

        def look() -> None:
            nonlocal timer
            left = end - now()
            if left > 0:
                timer = loop.call_later(max(left, 0.01), look)
            else:
                limit.reschedule(loop.time())

        look()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()


async def within(awaitable: Awaitable[T], seconds: float = PATIENCE) -> T:
    """Return the result; raise TimeoutError after so many seconds, as `asyncio.wait_for` does."""
    async with patience(seconds):
        return await awaitable
