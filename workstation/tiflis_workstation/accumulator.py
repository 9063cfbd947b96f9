"""The blocks of the answer that is given, and the id they go by on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tiflis_workstation.blocks import Block

GRACE_SECONDS = 10.0  # the shipped workstation keeps id and blocks of a finished answer this long


class Accumulator:
    """Holds one answer's blocks; `grace` seconds after its end they go.

    With `grace` None each answer stands for itself. With a grace, an answer that begins in time takes over
    id and blocks of the one before, and loses both when that one's time is up, be it in mid-answer: this is
    how the shipped workstation (0.3.32) behaves.
    """

    def __init__(self, new_id: Callable[[], str], grace: float | None) -> None:
        self.label = ""
        self.blocks: list[Block] = []
        self._new_id = new_id
        self._grace = grace
        self._before: list[Block] = []
        self._timers: list[asyncio.TimerHandle] = []

    def begin(self, answer_id: str) -> None:
        if self._grace is None:
            self.clear()
            self.label = answer_id
        self._before = self.blocks

    def grow(self, own: list[Block]) -> list[Block]:
        """Take all blocks of the answer so far; return what is shown of it."""
        self.label = self.label or self._new_id()
        self.blocks = _taken_over(self._before, own)
        return self.blocks

    def end(self) -> None:
        """Note that the answer is finished, and forget it when its time is up."""
        if self._grace is not None:
            loop = asyncio.get_running_loop()
            self._timers = [timer for timer in self._timers if timer.when() > loop.time()]
            self._timers.append(loop.call_later(self._grace, self.clear))

    def clear(self) -> None:
        self.label, self.blocks, self._before = "", [], []

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


def _taken_over(before: list[Block], own: list[Block]) -> list[Block]:
    """Earlier blocks first; a text directly after a text takes its place."""
    if before and own and before[-1]["block_type"] == own[0]["block_type"] == "text":
        before = before[:-1]
    return [*before, *own]
