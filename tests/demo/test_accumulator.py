"""The label and the text that an answer inherits, by a clock that the test turns."""

from __future__ import annotations

import itertools

from tiflis_workstation.accumulator import Accumulator
from tiflis_workstation.blocks import Block, block

FIRST, SECOND = [block("1", "text", "First.")], [block("2", "text", "Second.")]


class Time:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def made(time: Time, grace: float = 10.0) -> Accumulator:
    numbers = itertools.count(1)
    return Accumulator(grace, lambda: f"L{next(numbers)}", time)


def answered(kept: Accumulator, blocks: list[Block]) -> tuple[str, bool]:
    return kept.grow(blocks), kept.end()


def test_within_the_grace_an_answer_has_the_label_and_the_text_of_the_one_before() -> None:
    time = Time()
    kept = made(time)
    assert answered(kept, FIRST) == ("L1", True)
    time.seconds = 9.9
    assert kept.blocks == FIRST
    assert answered(kept, SECOND) == ("L1", False)


def test_after_the_grace_nothing_is_left() -> None:
    time = Time()
    kept = made(time)
    answered(kept, FIRST)
    time.seconds = 10.0
    assert (kept.label, kept.blocks) == ("", [])
    assert answered(kept, SECOND) == ("L2", True)


def test_each_earlier_end_gives_the_answer_under_way_another_label() -> None:
    time = Time()
    kept = made(time)
    for time.seconds in (0.0, 2.0):
        answered(kept, FIRST)
    labels = []
    for time.seconds in (9.0, 11.0, 13.0):
        labels.append(kept.grow(SECOND))
    assert labels == ["L1", "L2", "L3"]


def test_without_a_grace_every_answer_has_a_label_of_its_own() -> None:
    kept = made(Time(), grace=0.0)
    assert [answered(kept, FIRST), answered(kept, SECOND)] == [("L1", True), ("L2", True)]
