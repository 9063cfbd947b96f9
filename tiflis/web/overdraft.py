"""Unsent output measured per tunnel, and the measures against a tunnel that exceeds its share of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from tiflis import metrics
from tiflis.protocol.close import CloseCode
from tiflis.relay.pinned import Account, Kind, Pinned
from tiflis.relay.sessions.session import Pause, Session
from tiflis.web.intake import Intake

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # between two looks at sockets with much unsent output
OVERDRAWN_SECONDS = 2.0  # a tunnel that is still over its share after not being read so long loses a socket


class Receiver(Protocol):
    """A socket, as far as its output is concerned."""

    number: int
    session: Session

    @property
    def high_water(self) -> bool:
        """Return whether much waits to be sent."""

    def pinned(self) -> tuple[int, dict[int, int]]:
        """Return its own waiting bytes, and by id the sizes of payloads that other sockets may share."""

    def pause(self, why: Pause) -> None: ...
    def resume(self, why: Pause) -> None: ...
    def cut_off(self, code: int, reason: str) -> None: ...


class Overdraft:
    """Measures the sockets with much unsent output, while there are any, and compares their tunnels'
    shares."""

    def __init__(
        self,
        pinned: Pinned,
        clock: Callable[[], float],
        later: Callable[..., Any],
        of_tunnel: Callable[[str], Iterable[Receiver]],
    ) -> None:
        """`later`: the event loop's `call_later`; `of_tunnel`: all sockets of a tunnel in this worker."""
        self._pinned, self._clock, self._later, self._of_tunnel = pinned, clock, later, of_tunnel
        self._watched: dict[Receiver, None] = {}
        self._overdrawn: dict[str, tuple[Account, float]] = {}  # since when
        self._looking = False

    def watch(self, socket: Receiver) -> None:
        """Measure this socket's output until little waits."""
        self._watched[socket] = None
        if not self._looking:
            self._looking = True
            self._later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        now = self._clock()
        self._measure()
        for account in self._pinned.accounts():
            if account.overdrawn and account.tunnel_id not in self._overdrawn:
                self._stop_reading(account, now)
        for account, since in list(self._overdrawn.values()):
            if not account.overdrawn:
                self._go_on_reading(account)
            elif now - since >= OVERDRAWN_SECONDS:
                self._cut_off(account)
        self._looking = bool(self._watched or self._overdrawn)
        if self._looking:
            self._later(LOOK_SECONDS, self._look)

    def _measure(self) -> None:
        own: dict[str, int] = {}
        shared: dict[str, dict[int, int]] = {}
        for socket in list(self._watched):
            if not socket.high_water:
                del self._watched[socket]
                continue
            size, payloads = socket.pinned()
            tunnel_id = socket.session.tunnel_id
            own[tunnel_id] = own.get(tunnel_id, 0) + size
            shared.setdefault(tunnel_id, {}).update(payloads)
        sizes = {tunnel_id: size + sum(shared[tunnel_id].values()) for tunnel_id, size in own.items()}
        self._pinned.sample(Kind.UNSENT, sizes)

    def _stop_reading(self, account: Account, now: float) -> None:
        self._overdrawn[account.tunnel_id] = (account, now)
        log.info("tunnel over its share of memory", extra={"tunnel": account.tunnel_id})
        for socket in self._of_tunnel(account.tunnel_id):
            socket.pause(Pause.OVERDRAWN)

    def _go_on_reading(self, account: Account) -> None:
        del self._overdrawn[account.tunnel_id]
        for socket in self._of_tunnel(account.tunnel_id):
            socket.resume(Pause.OVERDRAWN)

    def _cut_off(self, account: Account) -> None:
        """Close the socket with the most unsent output; of several the newest."""
        mine = [one for one in self._watched if one.session.tunnel_id == account.tunnel_id]
        if not mine:
            return
        worst = max(mine, key=lambda one: (_size(one), one.number))
        del self._watched[worst]
        metrics.count("pinned_closed_total", "overdrawn")
        log.info("cut off for its tunnel's share of memory", extra=worst.session.named())
        worst.cut_off(CloseCode.TRY_AGAIN_LATER, "Too much is unsent")


def _size(socket: Receiver) -> int:
    own, shared = socket.pinned()
    return own + sum(shared.values())


class Guards(NamedTuple):
    """The memory of a worker's sockets, both ways."""

    intake: Intake
    overdraft: Overdraft
