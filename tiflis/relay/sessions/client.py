"""A client's session: a phone, tablet or browser that has given its tunnel's key."""

import logging
from collections.abc import Sequence
from typing import ClassVar, Protocol

from tiflis import metrics
from tiflis.limits import Limits
from tiflis.protocol import head, messages
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import InvalidAuthKey
from tiflis.protocol.head import Head
from tiflis.protocol.messages import Connection
from tiflis.protocol.states import Act, Role
from tiflis.relay.sessions.session import BaseSession, Pause, Place, SessionState, Wire

log = logging.getLogger(__name__)


class Attached(Protocol):
    """A device's socket as its tunnel's home sees it, wherever it is connected."""

    device_id: str
    connected: bool  # it has been told ``connected``; before that it waits for its workstation
    told_offline: bool  # the last it heard of its workstation was that it has gone
    reconnect: bool  # it says that it has been here before

    @property
    def connection(self) -> str:
        """The id that its socket has in the log, whichever worker has it; empty for a client in transit."""

    def send(self, text: bytes) -> None: ...
    def accept(self, text: bytes) -> None:
        """Send ``connected``."""

    def refuse(self, text: bytes) -> None:
        """Send an error, after which the socket is a newcomer again."""

    def tell(self, online: bool) -> None:
        """Say that the workstation has come or gone."""

    def here(self) -> None:
        """From now on what is for all connected clients is for this one too."""


class Route(Protocol):
    """The way from a client to its tunnel's home: here or elsewhere."""

    tunnel_id: str
    path: ClassVar[str]  # local or bus, for the metrics

    def attach(self, client: "ClientSession", request: bytes = b"", places: Sequence[Place] = ()) -> None:
        """``request``: the raw id of its ``connect``; ``places``: the worker, and its number there, that a
        client comes from which the home knows already."""

    def detach(self, client: "ClientSession") -> None: ...
    def press(self, client: "ClientSession", high: bool) -> None:
        """Too much waits for the client, or less again."""

    def forward(self, client: "ClientSession", request: bytes, text: bytes) -> None:
        """A message for the workstation; ``request`` is its raw id, for an error or an answer."""


class Entrance(Protocol):
    """Where keys are looked at, and where a client goes back to that has not got past ``connect``."""

    def recognise(self, client: "ClientSession", auth_key: str) -> bool:
        """Return whether this is the key that the client has connected with. Raises RateLimited."""

    def rejoin(self, client: "ClientSession", found: Head, text: bytes) -> None:
        """It waits for its workstation and connects once more on the same socket."""

    def turn_away(self, client: "ClientSession", text: bytes) -> None:
        """It may not wait: send the error, and it is a newcomer again."""


class ClientSession(BaseSession):
    """Checks what its device says and sends it on, marked with the device's id."""

    __slots__ = (
        "_entrance",
        "auth_key",
        "connected",
        "device_id",
        "reconnect",
        "route",
        "suffix",
        "told_offline",
        "tunnel_id",
    )
    role = Role.CLIENT
    kind = "client"

    def __init__(
        self, wire: Wire, limits: Limits, said: Connection, route: Route, entrance: Entrance
    ) -> None:
        super().__init__(wire, limits)
        self.tunnel_id, self.device_id, self.auth_key = said.tunnel_id, said.device_id, said.auth_key
        self.reconnect = said.reconnect
        self.suffix = head.device_suffix(said.device_id)
        self.connected = self.told_offline = False
        self.route = route
        self._entrance = entrance

    # What the socket calls

    def handle(self, what: Act, found: Head, text: bytes) -> None:
        if what is Act.RELAY:
            self.route.forward(self, head.echoable(found.id), head.splice(text, self.suffix))
        elif what is Act.CHECK_AUTH:
            self._authenticate(found, text)
        elif not self.connected and found.type == "connect":
            self._entrance.rejoin(self, found, text)
        else:
            super().handle(what, found, text)

    def _authenticate(self, found: Head, text: bytes) -> None:
        """A wrong ``auth`` ends here: the workstation would tell all devices of it."""
        key, device = messages.read_auth(found.payload)
        if device != self.device_id or not self._entrance.recognise(self, key):
            metrics.count("auth_failures_total", "auth_message")
            self.wire.send(messages.auth_error(InvalidAuthKey()))
            return
        self.route.forward(self, head.echoable(found.id), head.splice(text, self.suffix))

    def lost(self) -> None:
        self.route.detach(self)

    def overfull(self, high: bool) -> None:
        self.route.press(self, high)

    def overflowed(self) -> None:
        metrics.count("slow_consumers_total")
        log.info("slow consumer cut off", extra=self.named())
        self.wire.cut_off(CloseCode.TRY_AGAIN_LATER, "Too slow")

    def check(self, now: float) -> None:
        if self.wire.too_slow(now):
            self.overflowed()
        elif self.connected:
            super().check(now)
        else:
            self.probed(now)

    def named(self) -> dict[str, str]:
        return {"connection": self.wire.connection_id, "tunnel": self.tunnel_id}

    @property
    def connection(self) -> str:
        return self.wire.connection_id

    @property
    def path(self) -> str:
        return self.route.path

    def session_state(self) -> SessionState:
        return SessionState(
            "client",
            self.wire.number,
            tunnel_id=self.tunnel_id,
            auth_key=self.auth_key,
            device_id=self.device_id,
            reconnect=self.reconnect,
            connected=self.connected,
            told_offline=self.told_offline,
        )

    # What the home calls

    def send(self, text: bytes) -> None:
        self.wire.send(text)

    def accept(self, text: bytes) -> None:
        """Tell the client that it is connected."""
        self.connected = True
        self.told_offline = False
        self.wire.send(text)

    def refuse(self, text: bytes) -> None:
        self._entrance.turn_away(self, text)

    def tell(self, online: bool) -> None:
        self.told_offline = not online
        for text in messages.workstation_state(self.tunnel_id, online):
            self.wire.send(text)

    def here(self) -> None:
        """Its edge knows what that means."""

    def hold(self, held: bool) -> None:
        """Stop or go on reading the device, because its workstation is slow."""
        if held:
            self.wire.pause(Pause.PRESSURE)
        else:
            self.wire.resume(Pause.PRESSURE)
