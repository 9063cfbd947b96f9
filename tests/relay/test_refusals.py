"""One line per minute and address about refused keys, whichever worker saw them."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tiflis.relay.auth.rate_limit import Limiter
from tiflis.relay.auth.refusals import Refusals


class Hand:
    """A clock turned by hand, and what waits for it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay: float, call: Callable[[], None]) -> None:
        self.waiting.append((self.now + delay, call))

    def turn(self, seconds: float) -> None:
        self.now += seconds
        due = [call for at, call in self.waiting if at <= self.now]
        self.waiting = [(at, call) for at, call in self.waiting if at > self.now]
        for call in due:
            call()


def test_a_line_per_minute_and_address_has_the_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hand = Hand()
    limiters = [Limiter(tmp_path / "looks", lambda: hand.now, lambda data: None) for _ in range(3)]
    workers = [Refusals(limiter, hand.later) for limiter in limiters]

    def lines() -> list[tuple[str, int]]:
        found = [(record.__dict__["address"], record.__dict__["count"]) for record in caplog.records]
        caplog.clear()
        return found

    with caplog.at_level(logging.WARNING):
        for number in range(300):
            workers[number % 3].note("192.0.2.1")
        workers[0].note("192.0.2.2")
        hand.turn(2)
        assert sorted(lines()) == [("192.0.2.1", 300), ("192.0.2.2", 1)]
        workers[1].note("192.0.2.1")
        hand.turn(30)
        assert lines() == []
        hand.turn(31)
        assert lines() == [("192.0.2.1", 1)]
        hand.turn(61)
        workers[2].note("192.0.2.1")
        hand.turn(2)
        assert lines() == [("192.0.2.1", 1)]
    for limiter in limiters:
        limiter.close()
