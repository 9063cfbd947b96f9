"""Large incoming messages: each waits for room in the ledger, and none may arrive too slowly.

A message is entered with the size that its frames announce, before its payload arrives. A message for which
there is no room is not read until others have ended; the oldest is read first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tiflis import metrics
from tiflis.limits import KIB
from tiflis.protocol.close import CloseCode
from tiflis.relay.pinned import Hold, Kind, Pinned
from tiflis.relay.sessions.session import Pause, Session

log = logging.getLogger(__name__)

GRAIN = 16 * KIB  # messages up to it are not entered: a socket costs as much by itself
LOOK_SECONDS = 0.5  # between two looks at the messages under way

LEAST_RATE = 1 * KIB  # bytes per second: the minimum rate of a message; a bad mobile connection has as much
# The minimum rate while another message has waited BUSY_SECONDS for the room that this one takes.
BUSY_RATE, BUSY_SECONDS = 64 * KIB, 5.0
WAIT_SECONDS = 30.0  # the longest wait for room: then the peer is closed with 1013


class Source(Protocol):
    """The socket that a message comes from."""

    connection_id: str
    session: Session

    @property
    def arrived(self) -> int:
        """Return the number of bytes of the message that have arrived."""

    @property
    def paused(self) -> bool: ...
    def pause(self, why: Pause) -> None: ...
    def resume(self, why: Pause) -> None: ...
    def give_up(self, code: CloseCode, reason: str) -> None:
        """Close the peer in the middle of its message, and free the part that has arrived."""


class Begun:
    """One socket's large message on its way in."""

    __slots__ = ("hold", "mark", "marked_at", "missing", "socket", "waits_since")

    def __init__(self, socket: Source, hold: Hold, now: float) -> None:
        self.socket, self.hold = socket, hold
        self.mark, self.marked_at = 0, now  # bytes that had arrived at a time: the rate counts from there
        self.missing = 0  # bytes that it waits for
        self.waits_since = 0.0  # 0 while it is read

    def too_slow(self, rate: int, seconds: float, now: float, since: float = 0.0) -> bool:
        """Return whether less than `rate` bytes per second arrived for `seconds`, counted from `since`."""
        arrived = self.socket.arrived
        if self.socket.paused or not self.mark <= arrived < self.mark + rate * seconds:
            self.mark, self.marked_at = arrived, now
            return False
        return now - max(self.marked_at, since) >= seconds


class Intake:
    """The large messages of one worker's sockets."""

    def __init__(
        self, pinned: Pinned, clock: Callable[[], float], later: Callable[..., Any], silence: float
    ) -> None:
        """`clock`: one that stops while this process is suspended; `later`: the event loop's `call_later`;
        `silence`: seconds for which a socket may be silent, and for which its message may be too slow."""
        self._pinned, self._clock, self._later, self._silence = pinned, clock, later, silence
        self._begun: dict[Begun, None] = {}
        self._waiting: dict[Begun, None] = {}
        self._looking = False
        self._admitting = False
        pinned.freed = self._freed

    def begin(self, socket: Source) -> Begun:
        """Enter a socket's large message; `announce` then sets its size."""
        hold = self._pinned.account(socket.session.tunnel_id).hold(Kind.MESSAGES)
        begun = Begun(socket, hold, self._clock())
        self._begun[begun] = None
        if not self._looking:
            self._look_later()
        return begun

    def announce(self, begun: Begun, size: int) -> None:
        """Enter the size of the message, or of the next one that follows directly."""
        more = size - begun.hold.size
        if more <= 0:
            begun.missing = 0
            begun.hold.count(more)
        elif begun.hold.take(more):
            begun.missing = 0
        else:
            begun.missing = more
            begun.waits_since = begun.waits_since or self._clock()
            self._waiting[begun] = None
            begun.socket.pause(Pause.ROOM)

    def end(self, begun: Begun) -> None:
        """Remove a message that is complete, or whose socket is closed."""
        self._begun.pop(begun, None)
        self._waiting.pop(begun, None)
        begun.hold.release()

    # Waiting

    def _freed(self) -> None:
        if self._waiting and not self._admitting:
            self._admitting = True
            self._later(0, self._admit)

    def _admit(self) -> None:
        self._admitting = False
        for begun in list(self._waiting):
            if begun.hold.take(begun.missing):
                del self._waiting[begun]
                begun.missing, begun.waits_since = 0, 0.0
                begun.socket.resume(Pause.ROOM)

    # Looking

    def _look_later(self) -> None:
        self._looking = True
        self._later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._clock()
        for begun in list(self._begun):
            self._judge(begun, now)
        for waiting in self._longest_waits(now):
            self._make_room(waiting, now)
        self._admit()
        self._looking = bool(self._begun)
        if self._looking:
            self._look_later()

    def _judge(self, begun: Begun, now: float) -> None:
        if begun.waits_since and now - begun.waits_since >= WAIT_SECONDS:
            self._give_up(begun, CloseCode.TRY_AGAIN_LATER, "No room for so large a message", "waited")
        elif not begun.waits_since and begun.too_slow(LEAST_RATE, self._silence, now):
            self._give_up(begun, CloseCode.POLICY_VIOLATION, "Message came too slowly", "slow")

    def _longest_waits(self, now: float) -> Iterable[Begun]:
        """Return the message of each tunnel that has waited longest, if that is long."""
        first: dict[str, Begun] = {}
        for begun in self._waiting:
            if now - begun.waits_since >= BUSY_SECONDS:
                first.setdefault(begun.hold.account.tunnel_id, begun)
        return first.values()

    def _make_room(self, waiting: Begun, now: float) -> None:
        """Close the largest message that is slow while another waits for its room; of several the newest."""
        account, kind = waiting.hold.account, waiting.hold.kind
        own = account.total + waiting.missing > account.pinned.shares.tunnel
        rivals = [
            begun
            for begun in self._begun
            if begun.hold.size and (begun.hold.account is account or not own) and begun is not waiting
        ]
        rivals.sort(key=lambda begun: (begun.hold.account.kinds[kind], begun.hold.size))
        for begun in reversed(rivals):
            if begun.too_slow(BUSY_RATE, BUSY_SECONDS, now, waiting.waits_since):
                self._give_up(begun, CloseCode.TRY_AGAIN_LATER, "Too slow for so large a message", "busy")
                return

    def _give_up(self, begun: Begun, code: CloseCode, reason: str, label: str) -> None:
        metrics.count("pinned_closed_total", label)
        log.info("message given up", extra={**begun.socket.session.named(), "reason": reason})
        self.end(begun)
        begun.socket.give_up(code, reason)
