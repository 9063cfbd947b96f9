"""The label and the blocks of an answer, which the shipped workstation keeps for a while after its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from tiflis_workstation.blocks import Block

GRACE_SECONDS = 10.0  # measured at the shipped workstation (0.3.32)


class Accumulator:
    """Labels the frames of one chat's answers; with a grace an answer inherits from the one before.

    Each end of an answer sets a deadline `grace` seconds later. At a deadline the label and the blocks are
    forgotten, also when they belong to a later answer by then, which so gets another label half way. With a
    grace of 0 every answer has a label of its own.
    """

    def __init__(
        self, grace: float, new_label: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.grace = grace
        self._new_label = new_label
        self._clock = clock
        self._label = ""
        self._blocks: list[Block] = []
        self._label_has_ended = False
        self._deadlines: list[float] = []

    @property
    def label(self) -> str:
        """Return the label of the latest answer, "" when it is forgotten."""
        self._expire()
        return self._label

    @property
    def blocks(self) -> list[Block]:
        """Return the latest answer so far, none when it is forgotten."""
        self._expire()
        return self._blocks

    def grow(self, blocks: list[Block]) -> str:
        """Replace the answer so far. Return the label of its next frame."""
        self._expire()
        self._blocks = blocks
        self._label = self._label or self._new_label()
        return self._label

    def end(self) -> bool:
        """Note the end of the answer. Return whether it is the first one to end under its label."""
        first = not self._label_has_ended
        self._label_has_ended = True
        self._deadlines.append(self._clock() + self.grace)
        return first

    def forget(self) -> None:
        self._label, self._blocks, self._label_has_ended = "", [], False

    def _expire(self) -> None:
        now = self._clock()
        pending = [deadline for deadline in self._deadlines if deadline > now]
        if len(pending) < len(self._deadlines):
            self._deadlines = pending
            self.forget()
