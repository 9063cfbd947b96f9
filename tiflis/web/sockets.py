"""All WebSockets of one worker."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable

from tiflis import metrics
from tiflis.limits import Limits
from tiflis.relay.pinned import Pinned
from tiflis.relay.sessions.outbox import Cork
from tiflis.web.intake import Intake
from tiflis.web.overdraft import Guards, Overdraft
from tiflis.web.socket import Socket
from tiflis.web.trace import socket_class

log = logging.getLogger(__name__)


class Sockets:
    """Makes sockets, knows those that are open, and looks at them regularly."""

    def __init__(
        self,
        limits: Limits,
        worker: str,
        cork: Cork,
        clock: Callable[[], float],
        pinned: Pinned | None = None,
    ) -> None:
        """``worker``: its id, the beginning of each connection's. ``pinned``: the worker's ledger."""
        self.open: dict[int, Socket] = {}
        self.draining = False  # no new ones
        self._limits, self._worker, self._cork, self._clock = limits, worker, cork, clock
        self._numbers = itertools.count(1)
        self._socket = socket_class()
        self.pinned = pinned = pinned or Pinned()
        later = asyncio.get_running_loop().call_later
        overdraft = Overdraft(pinned, clock, later, self.of_tunnel)
        self._guards = Guards(Intake(pinned, clock, later), overdraft)

    def make(self, address: str, connection_id: str = "", number: int = 0) -> Socket:
        """A socket without transport and session; ``connection_id`` and ``number``: if it had some before."""
        number = number or next(self._numbers)
        connection_id = connection_id or f"{self._worker}.{number:x}.{secrets.token_hex(2)}"
        socket = self._socket(
            number,
            connection_id,
            address,
            self._limits,
            self._cork,
            self._clock,
            self._gone,
            self._guards,
        )
        self.open[number] = socket
        return socket

    def opened(self) -> None:
        """One of them has just been accepted."""
        metrics.count("sockets_opened_total")

    def forget(self, socket: Socket) -> None:
        """It never came to life."""
        self.open.pop(socket.number, None)

    def _gone(self, socket: Socket) -> None:
        if self.open.get(socket.number) is socket:
            del self.open[socket.number]
        _count(socket)
        event = "socket left for another worker" if socket.leaving else "socket closed"
        log.debug(event, extra={"connection": socket.connection_id})

    def check(self, now: float) -> None:
        """Look at every socket; call it every few seconds."""
        for socket in self._running():
            socket.check(now)

    def count(self) -> None:
        """Have what the sockets have counted since the last time in the metrics."""
        for socket in self._running():
            _count(socket)

    def of_tunnel(self, tunnel_id: str) -> list[Socket]:
        """Return the sockets of a tunnel's peers in this worker."""
        return [socket for socket in self._running() if socket.session.tunnel_id == tunnel_id]

    def unsent(self) -> int:
        """Bytes that peers have not taken yet."""
        return sum(socket.unsent for socket in self._running())

    def _running(self) -> list[Socket]:
        """All but those that are just being adopted."""
        return [socket for socket in self.open.values() if socket.running]


def _count(socket: Socket) -> None:
    """A socket's numbers go to whoever it is, and however it is reached, now."""
    frames_in, bytes_in, frames_out, bytes_out = socket.taken_out()
    if not (bytes_in or bytes_out):
        return
    who = (socket.session.kind, socket.path)
    metrics.count("frames_total", *who, "in", by=frames_in)
    metrics.count("bytes_total", *who, "in", by=bytes_in)
    metrics.count("frames_total", *who, "out", by=frames_out)
    metrics.count("bytes_total", *who, "out", by=bytes_out)
