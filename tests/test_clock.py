"""The patient clock: what this process did not run for is held against no peer."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from tiflis.clock import STEP_SECONDS, PatientClock, running_clock


class PausableLoop:
    """Timers in a virtual time, and pauses in which none of them runs."""

    def __init__(self) -> None:
        self.now = 100.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], None], /) -> None: ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any:
        heapq.heappush(self._calls, (self.now + delay, number := next(self._numbers), callback))
        return type("Timer", (), {"cancel": lambda _: self._cancel(number)})()

    def _cancel(self, number: int) -> None:
        self._calls = [call for call in self._calls if call[1] != number]
        heapq.heapify(self._calls)

    def run(self, seconds: float, turn: float = 0.0) -> None:
        """Run so long; with ``turn`` each turn of the loop takes so many seconds."""
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            self.now = max(self.now + turn, self._calls[0][0])
            due = []
            while self._calls and self._calls[0][0] <= self.now:
                due.append(heapq.heappop(self._calls)[2])
            for callback in due:
                callback()
        self.now = max(self.now, end)


@pytest.fixture
def loop() -> PausableLoop:
    return PausableLoop()


@pytest.fixture
def clock(loop: PausableLoop) -> PatientClock:
    return PatientClock(cast(Any, loop))


def test_time_passes_as_usual_while_the_process_runs(loop: PausableLoop, clock: PatientClock) -> None:
    began = clock.time()
    loop.run(17)
    assert clock.time() - began == pytest.approx(17)
    assert clock.paused == pytest.approx(0)


def test_a_pause_of_the_process_does_not_count(loop: PausableLoop, clock: PatientClock) -> None:
    began = clock.time()
    loop.now += 17
    assert clock.time() - began <= STEP_SECONDS  # also before the first timer has run again
    loop.run(1)
    assert clock.time() - began <= 1 + STEP_SECONDS
    assert clock.paused == pytest.approx(17, abs=0.5)


def test_the_clock_never_goes_back(loop: PausableLoop, clock: PatientClock) -> None:
    seen = []
    for pause in (0.05, 0.3, 0.0, 5.0, 0.24, 17.0):
        loop.now += pause
        seen.append(clock.time())
        loop.run(0.07)
        seen.append(clock.time())
    assert seen == sorted(seen)


def test_a_deadline_waits_for_as_long_as_the_process_stood_still(
    loop: PausableLoop, clock: PatientClock
) -> None:
    fired: list[float] = []
    clock.deadline(15, lambda: fired.append(loop.now))
    loop.run(14)
    loop.now += 18
    loop.run(0.7)
    assert fired == []
    loop.run(0.4)
    assert fired != []


def test_a_deadline_missed_by_a_pause_is_judged_after_one_more_look(
    loop: PausableLoop, clock: PatientClock
) -> None:
    fired: list[float] = []
    clock.deadline(1, lambda: fired.append(loop.now))
    loop.run(0.99)
    loop.now += 5
    loop.run(0.01)
    assert fired == []  # what waits in the kernel is read first
    loop.run(0.2)
    assert fired != []


def test_a_starved_loop_still_meets_its_deadlines(loop: PausableLoop, clock: PatientClock) -> None:
    fired: list[float] = []
    clock.deadline(2, lambda: fired.append(loop.now))
    loop.run(30, turn=1.0)
    assert fired != []


def test_a_cancelled_deadline_is_silent(loop: PausableLoop, clock: PatientClock) -> None:
    deadline = clock.deadline(1, lambda: pytest.fail("cancelled"))
    loop.run(0.5)
    loop.now += 5
    loop.run(0.05)
    deadline.cancel()
    loop.run(5)


async def test_a_timeout_is_not_over_because_of_a_pause() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with running_clock().timeout(0.3):
        asyncio.get_running_loop().call_later(0.35, answer.set_result, "it was there all the time")
        await asyncio.sleep(0)
        time.sleep(0.6)  # the pause
        assert await answer


async def test_a_timeout_without_a_pause_is_over_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with running_clock().timeout(0.1):
            await asyncio.Event().wait()
    assert time.monotonic() - began >= 0.09
