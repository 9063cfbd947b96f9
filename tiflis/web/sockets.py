"""All WebSockets of one worker."""

import asyncio
import itertools
import logging
from collections.abc import Callable

from tiflis import metrics
from tiflis.limits import Limits
from tiflis.relay.pinned import Pinned
from tiflis.relay.sessions.outbox import Cork
from tiflis.web.intake import Intake
from tiflis.web.overdraft import Guards, Overdraft
from tiflis.web.socket import WebSocket

log = logging.getLogger(__name__)


class Sockets:
    """The open sockets of one worker: made here, counted, and checked regularly."""

    def __init__(
        self,
        limits: Limits,
        worker: str,
        cork: Cork,
        clock: Callable[[], float],
        pinned: Pinned | None = None,
    ) -> None:
        """``worker``: its id, the beginning of each connection's. ``pinned``: the worker's ledger."""
        self.open: dict[int, WebSocket] = {}
        self.draining = False  # no new ones
        self._limits, self._worker, self._cork, self._clock = limits, worker, cork, clock
        self._numbers = itertools.count(1)
        # Seconds of silence below which no check of a socket in a role does anything.
        self._quiet = min(limits.liveness_timeout, limits.probe_interval - limits.liveness_interval)
        self._busy: set[WebSocket] = set()  # those with unsent output at the last check
        self.pinned = pinned = pinned or Pinned()
        later = asyncio.get_running_loop().call_later
        overdraft = Overdraft(pinned, clock, later, self.of_tunnel)
        self._guards = Guards(Intake(pinned, clock, later, limits.liveness_timeout), overdraft)

    def make(self, address: str, connection_id: str = "", number: int = 0) -> WebSocket:
        """Return a socket without transport and session; ``connection_id``, ``number``: of an adopted one."""
        number = number or next(self._numbers)
        connection_id = connection_id or f"{self._worker}.{number:x}"
        socket = WebSocket(
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
        """Count a socket that has just been accepted."""
        metrics.count("sockets_opened_total")

    def forget(self, socket: WebSocket) -> None:
        """Drop a socket that never got a transport."""
        self.open.pop(socket.number, None)

    def _gone(self, socket: WebSocket) -> None:
        if self.open.get(socket.number) is socket:
            del self.open[socket.number]
        if _has_counted(socket):
            _count([socket])
        event = "socket left for another worker" if socket.leaving else "socket closed"
        log.debug(event, extra={"connection": socket.connection_id})

    def check(self, now: float) -> None:
        """Check every socket that has something to send, was silent or has no role; call it every few
        seconds."""
        recent, busy = now - self._quiet, set()
        for socket in self._running():
            if not socket.outbox.idle:
                busy.add(socket)
            elif socket.heard > recent and not socket.close_by and socket.session.kind != "none":
                continue  # nothing can be wrong with it
            socket.check(now)
        for socket in self._busy - busy:
            socket.rested()
        self._busy = busy

    def count(self) -> None:
        """Add the sockets' counts since the last call to the metrics."""
        _count([socket for socket in self.open.values() if socket.running and _has_counted(socket)])

    def of_tunnel(self, tunnel_id: str) -> list[WebSocket]:
        """Return the sockets of a tunnel's peers in this worker."""
        return [socket for socket in self._running() if socket.session.tunnel_id == tunnel_id]

    def unsent(self) -> int:
        """Return the bytes of output that peers have not read yet."""
        return sum(socket.unsent for socket in self._running() if not socket.outbox.idle)

    def _running(self) -> list[WebSocket]:
        """Return all sockets except those that are being adopted."""
        return [socket for socket in self.open.values() if socket.running]


def _has_counted(socket: WebSocket) -> bool:
    """Return whether anything was read or written since the last call of ``take_counts``."""
    outbox = socket.outbox
    return socket.bytes_in != 0 or outbox.frames != 0 or outbox.written != socket.bytes_counted


def _count(sockets: list[WebSocket]) -> None:
    """Add the sockets' counts to the metrics, under their present roles and paths."""
    taken: dict[tuple[str, str], list[tuple[int, ...]]] = {}
    for socket in sockets:
        taken.setdefault((socket.session.kind, socket.path), []).append(socket.take_counts())
    for labels, rows in taken.items():
        frames_in, bytes_in, frames_out, bytes_out = map(sum, zip(*rows, strict=True))
        metrics.count("frames_total", *labels, "in", by=frames_in)
        metrics.count("bytes_total", *labels, "in", by=bytes_in)
        metrics.count("frames_total", *labels, "out", by=frames_out)
        metrics.count("bytes_total", *labels, "out", by=bytes_out)
