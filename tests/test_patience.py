"""Deadlines of tests last longer while the machine lags, and no longer than that."""

import asyncio
import time

import pytest

from tests import patience
from tests.patience import LOOK_SECONDS, REST_SHARE, MachineClock, rest_after


class Machine:
    """So many runnable threads per CPU, and a time that the test moves."""

    def __init__(self) -> None:
        self.load, self.time = 1.0, 100.0
        self.clock = MachineClock(lambda: round(self.load * 2), lambda: self.time, cpus=2)

    def run(self, seconds: float, step: float = LOOK_SECONDS) -> float:
        """Return what the clock has counted after so many seconds."""
        before, looks = self.clock.seconds(), round(seconds / step)
        for _ in range(looks):
            self.time += step
            self.clock.look()
        return self.clock.seconds() - before


@pytest.mark.parametrize(("load", "counted"), [(0.5, 6), (1, 6), (3, 2)])
def test_a_second_counts_less_the_more_threads_share_a_cpu(load: float, counted: float) -> None:
    machine = Machine()
    machine.load = load
    assert machine.run(6) == pytest.approx(counted)


def test_time_in_which_the_process_is_not_run_does_not_count() -> None:
    assert Machine().run(60, step=30) < 1


async def test_a_deadline_is_put_off_while_the_machine_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.0
    monkeypatch.setattr(patience, "now", lambda: seconds)
    waiting = asyncio.create_task(patience.within(asyncio.Event().wait(), 0.02))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    seconds = 1.0
    with pytest.raises(TimeoutError):
        await waiting


def test_a_condition_that_costs_much_is_looked_at_rarely() -> None:
    def costly() -> bool:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return False

    assert rest_after(lambda: True) is None
    rest = rest_after(costly)
    assert rest is not None and rest >= 0.02 * REST_SHARE
