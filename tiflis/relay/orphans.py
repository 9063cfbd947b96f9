"""Workstation sockets whose place a newer one has taken.

They are left open and ignored: the shipped workstation shares its close handler between its sockets and, were
an old one closed, would reconnect for ever. One that stops answering protocol pings is dropped.
"""

from tiflis.limits import Limits
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import TunnelError
from tiflis.protocol.head import Head, peek
from tiflis.protocol.states import Act, Role, act
from tiflis.relay.passport import Passport
from tiflis.relay.session import BaseSession
from tiflis.relay.wire import Pause, Wire


class OrphanSession(BaseSession):
    """Answers pings; hears nothing else, and its end changes nothing."""

    __slots__ = ("_orphans", "_tunnel_id")
    role = Role.WORKSTATION

    def __init__(self, wire: Wire, limits: Limits, orphans: "Orphans", tunnel_id: str) -> None:
        super().__init__(wire, limits)
        self._orphans, self._tunnel_id = orphans, tunnel_id

    def received(self, text: bytes) -> None:
        try:
            found: Head = peek(text)
            if act(self.role, found.type) is Act.PONG:
                self.handle(Act.PONG, found, text)
        except TunnelError:
            pass  # it is ignored, its errors too

    def lost(self) -> None:
        self._orphans.discard(self._tunnel_id, self.wire)

    def check(self, now: float) -> None:
        self.probed(now)

    def passport(self) -> Passport:
        return Passport("orphan", self.wire.number, tunnel_id=self._tunnel_id)

    def named(self) -> dict[str, str]:
        return {"connection": self.wire.connection_id, "tunnel": self._tunnel_id}


class Orphans:
    """The orphans of this worker, a few for each tunnel."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._wires: dict[str, list[Wire]] = {}

    def add(self, tunnel_id: str, wire: Wire) -> None:
        """Keep this socket; beyond the limit the oldest goes."""
        wire.session = OrphanSession(wire, self._limits, self, tunnel_id)
        for why in (Pause.PRESSURE, Pause.GATHERING):
            wire.resume(why)
        wires = self._wires.setdefault(tunnel_id, [])
        wires.append(wire)
        if len(wires) > self._limits.superseded_limit:
            wires.pop(0).close(CloseCode.NORMAL, "Superseded")

    def discard(self, tunnel_id: str, wire: Wire) -> None:
        wires = self._wires.get(tunnel_id, [])
        if wire in wires:
            wires.remove(wire)
        if not wires:
            self._wires.pop(tunnel_id, None)
