"""Workstation sockets that a newer registration has superseded.

They are left open and ignored: the shipped workstation shares its close handler between its sockets and, were
an old one closed, would reconnect for ever. One that stops answering protocol pings is dropped.
"""

import logging
from collections.abc import Callable

import msgspec

from tiflis.limits import Limits
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import TunnelError
from tiflis.protocol.states import Act, Role, act
from tiflis.relay.sessions.session import BaseSession, Pause, SessionState, Wire

log = logging.getLogger(__name__)


class SupersededSession(BaseSession):
    """Answers pings and ignores all other messages; its end changes nothing."""

    __slots__ = ("_superseded_sockets", "tunnel_id")
    role = Role.WORKSTATION

    def __init__(self, wire: Wire, limits: Limits, superseded_sockets: "Superseded", tunnel_id: str) -> None:
        super().__init__(wire, limits)
        self._superseded_sockets, self.tunnel_id = superseded_sockets, tunnel_id

    def received(self, text: bytes) -> None:
        try:
            found = self.wire.reading.head(text)
            if act(self.role, found.type) is Act.PONG:
                self.handle(Act.PONG, found, text)
        except TunnelError:
            pass  # it is ignored, and so are its errors

    def lost(self) -> None:
        self._superseded_sockets.discard(self.tunnel_id, self.wire)

    def check(self, now: float) -> None:
        self.probed(now)

    def session_state(self) -> SessionState:
        return SessionState("orphan", self.wire.number, tunnel_id=self.tunnel_id)

    def named(self) -> dict[str, str]:
        return {"connection": self.wire.connection_id, "tunnel": self.tunnel_id}


class News(msgspec.Struct, array_like=True):
    """One worker's message to the others about a tunnel's superseded sockets."""

    sender: str
    tunnel_id: str
    kept: list[tuple[str, str]]  # known sockets, oldest first: connection id, and the worker that has it
    gone: list[str]  # connections that are closed, or to be closed


class Superseded:
    """The superseded sockets of this worker; of each tunnel the newest few are kept, across all workers.

    To be set before traffic: ``publish``, which sends News to ``received`` of the other workers. If News are
    lost, some sockets are kept for longer.
    """

    def __init__(self, limits: Limits, me: str = "") -> None:
        self.publish: Callable[[bytes], None] = lambda news: None
        self._limits, self._me = limits, me
        # Per tunnel with a socket here: by connection id the socket or the worker that has it, oldest first.
        self._kept: dict[str, dict[str, Wire | str]] = {}

    def add(self, tunnel_id: str, wire: Wire) -> None:
        """Keep this socket; beyond the limit close the oldest."""
        wire.session = SupersededSession(wire, self._limits, self, tunnel_id)
        for reason in (Pause.PRESSURE, Pause.GATHERING):
            wire.resume(reason)
        kept = {**self._kept.get(tunnel_id, {}), wire.connection_id: wire}
        self._publish(tunnel_id, self._keep(tunnel_id, kept))

    def discard(self, tunnel_id: str, wire: Wire) -> None:
        """Forget a socket that has closed."""
        kept = self._kept.get(tunnel_id, {})
        if kept.pop(wire.connection_id, None) is not None:
            self._keep(tunnel_id, kept)
            self._publish(tunnel_id, [wire.connection_id])

    def received(self, encoded: bytes) -> None:
        """Apply another worker's News, if this worker has a superseded socket of that tunnel."""
        try:
            news = _news.decode(encoded)
        except msgspec.MsgspecError:
            log.warning("news of orphans refused")
            return
        known = self._kept.get(news.tunnel_id)
        if known is None or news.sender == self._me:
            return
        for connection in news.gone:
            _close(known.pop(connection, ""))
        received: dict[str, Wire | str] = {
            connection: known[connection] if worker == self._me else worker
            for connection, worker in news.kept
            if worker != self._me or connection in known
        }
        # A sender that knows all our sockets has their order; a successor knows only those it has adopted.
        self._keep(news.tunnel_id, received if known.keys() <= received.keys() else known | received)

    def worker_gone(self, worker_id: str) -> None:
        """Forget a dead worker's sockets: they are closed, or their new worker has published them."""
        for tunnel_id, kept in list(self._kept.items()):
            self._keep(tunnel_id, {which: where for which, where in kept.items() if where != worker_id})

    def _keep(self, tunnel_id: str, kept: dict[str, Wire | str]) -> list[str]:
        """Keep these sockets; close those beyond the limit and return their connection ids."""
        surplus = list(kept)[: -self._limits.superseded_limit]
        dropped = [kept.pop(connection) for connection in surplus]
        if all(isinstance(where, str) for where in kept.values()):
            self._kept.pop(tunnel_id, None)
        else:
            self._kept[tunnel_id] = kept
        for where in dropped:
            _close(where)
        return surplus

    def _publish(self, tunnel_id: str, gone: list[str]) -> None:
        kept = [
            (connection, where if isinstance(where, str) else self._me)
            for connection, where in self._kept.get(tunnel_id, {}).items()
        ]
        self.publish(msgspec.msgpack.encode(News(self._me, tunnel_id, kept, gone)))


def _close(where: Wire | str) -> None:
    if not isinstance(where, str):
        where.close(CloseCode.NORMAL, "Superseded")


_news = msgspec.msgpack.Decoder(News)
