"""Limits of one socket's unsent output: above them senders wait, pings are not read, slow peers are
closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from tiflis.limits import Limits
from tiflis.relay.sessions.outbox import PONGS_HIGH, Outbox
from tiflis.relay.sessions.session import Pause
from tiflis.web.overdraft import Overdraft, Receiver

_NONE = (-1, 0.0)  # no output has waited
CROWD_LOOK = 0.02  # seconds between two looks at output above its limit


class Owner(Receiver, Protocol):
    """The socket that the output belongs to."""

    close_by: float

    @property
    def leaving(self) -> bool:
        """Return whether the socket goes on in another process."""


class OutputLimits:
    """Compares one socket's unsent output with its limits and reports to the socket's session."""

    __slots__ = (
        "_clock",
        "_limits",
        "_outbox",
        "_overdraft",
        "_overfull_since",
        "_owner",
        "_progress",
        "_reported",
    )

    def __init__(
        self, owner: Owner, outbox: Outbox, limits: Limits, overdraft: Overdraft, clock: Callable[[], float]
    ) -> None:
        self._owner, self._outbox, self._limits = owner, outbox, limits
        self._overdraft, self._clock = overdraft, clock
        self._reported = False  # the session has been sent high_water(True)
        self._overfull_since = 0.0  # clock time; 0 while less than the limit waits
        self._progress = _NONE  # bytes sent, and the time since when no more have been sent

    def compare(self) -> None:
        """Act on the output that waits now; call it after something was queued."""
        outbox = self._outbox
        if outbox.pong_bytes > PONGS_HIGH:
            self._owner.pause(Pause.PONGS)
        if outbox.high_water and not self._reported:
            self._reported = True
            self._overdraft.watch(self._owner)
            self._owner.session.high_water(True)
        if outbox.waiting > self._limits.backlog_limit and not self._overfull_since:
            self._overfull_since = self._clock()
            self._owner.session.overfull(True)
            self._look()

    def relieved(self) -> None:
        """Let the senders continue; the outbox calls this when little waits again."""
        if self._reported:
            self._reported = False
            self._owner.session.high_water(False)
        self._owner.resume(Pause.PONGS)

    def _look(self) -> None:
        """Close a peer that exceeds the limit; one that reads well may exceed it for a moment, as after two
        large messages."""
        waiting, limit = self._outbox.waiting, self._limits.backlog_limit
        patient = self._clock() - self._overfull_since < self._limits.backlog_patience
        if self._owner.close_by or self._owner.leaving or waiting <= limit:
            self._overfull_since = 0.0
            self._owner.session.overfull(False)
        elif patient and waiting <= 2 * limit:
            asyncio.get_running_loop().call_later(CROWD_LOOK, self._look)
        else:
            self._overfull_since = 0.0
            self._owner.session.overflowed()

    def rested(self) -> None:
        """Record that nothing waits: the time without progress starts with the next output that waits."""
        self._progress = _NONE

    def too_slow(self, now: float) -> bool:
        """Return whether this peer has taken nothing for too long (protocol, section 6)."""
        if self._outbox.idle:
            self._progress = _NONE
            return False
        sent = self._outbox.sent()
        if self._outbox.unsent() <= self._limits.stall_bytes or sent != self._progress[0]:
            self._progress = (sent, now)
            return False
        return now - self._progress[1] >= self._limits.stall_timeout
