"""All WebSockets of one worker."""

import itertools
import logging
import secrets
from collections.abc import Callable

from tiflis.limits import Limits
from tiflis.relay.outbox import Cork
from tiflis.web.socket import Socket

log = logging.getLogger(__name__)


class Sockets:
    """Makes sockets, knows those that are open, and looks at them regularly."""

    def __init__(self, limits: Limits, worker: str, cork: Cork, clock: Callable[[], float]) -> None:
        """``worker``: its id, the beginning of each connection's."""
        self.open: dict[int, Socket] = {}
        self.draining = False  # no new ones
        self._limits, self._worker, self._cork, self._clock = limits, worker, cork, clock
        self._numbers = itertools.count(1)

    def make(self, address: str, connection_id: str = "", number: int = 0) -> Socket:
        """A socket without transport and session; ``connection_id`` and ``number``: if it had some before."""
        number = number or next(self._numbers)
        connection_id = connection_id or f"{self._worker}.{number:x}.{secrets.token_hex(2)}"
        socket = Socket(number, connection_id, address, self._limits, self._cork, self._clock, self._gone)
        self.open[number] = socket
        return socket

    def forget(self, socket: Socket) -> None:
        """It never came to life."""
        self.open.pop(socket.number, None)

    def _gone(self, socket: Socket) -> None:
        if self.open.get(socket.number) is socket:
            del self.open[socket.number]
        log.debug("socket closed", extra={"connection": socket.connection_id})

    def check(self, now: float) -> None:
        """Look at every socket; call it every few seconds."""
        for socket in list(self.open.values()):
            socket.check(now)
