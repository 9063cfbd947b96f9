"""The session of a client: a phone, tablet or browser that has sent its tunnel's auth key."""

import logging
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from tiflis import metrics
from tiflis.limits import Limits
from tiflis.protocol import cursor, head, hold, messages
from tiflis.protocol.close import CloseCode
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import Forbidden, InvalidAuthKey
from tiflis.protocol.head import Head
from tiflis.protocol.hold import Request
from tiflis.protocol.messages import Connection
from tiflis.protocol.scan import LARGE
from tiflis.protocol.scopes import LIMITED, Scope, check_form
from tiflis.protocol.spliced import SplicedText
from tiflis.protocol.states import RULES, Act, Role
from tiflis.relay.devices.audit import AUDITED, Audit, Author, is_command
from tiflis.relay.sessions.session import BaseSession, Pause, Place, SessionState, Wire

log = logging.getLogger(__name__)


_RELAY, _COMMAND = Act.RELAY, Act.COMMAND  # looked up for each message


class Attached(Protocol):
    """A device's socket as its tunnel's home sees it, in whichever worker."""

    device_id: str
    connected: bool  # it has been sent ``connected``; before that it waits for its workstation
    told_offline: bool  # the last state of the workstation that it was sent is offline
    reconnect: bool  # its ``connect`` claims that it was connected before
    cursor: Cursor | None  # with which it asks to resume; None: it does not ask
    marked: bool  # it has been answered with its queue's cursor, and receives marks
    key_id: str  # of its device key; empty for the workstation's own key

    @property
    def connection(self) -> str:
        """The id that its socket has in the log, whichever worker has it; empty for a client in transit."""

    def send(self, text: bytes) -> None: ...
    def accept(self, text: bytes) -> None:
        """Send ``connected``."""

    def refuse(self, text: bytes) -> None:
        """Send an error, and make the socket a pending session again."""

    def notify(self, online: bool) -> None:
        """Send that the workstation has come or gone."""

    def here(self) -> None:
        """Start sending it broadcasts."""


class Route(Protocol):
    """The route from a client to its tunnel: the home itself, or an edge to a home in another worker."""

    tunnel_id: str
    path: ClassVar[str]  # local or bus, for the metrics

    def attach(self, client: "ClientSession", request: bytes = b"", places: Sequence[Place] = ()) -> None:
        """Add a client. ``request``: the raw id of its ``connect``; ``places``: where the home may keep its
        place, if it comes from elsewhere."""

    def detach(self, client: "ClientSession") -> None: ...
    def press(self, client: "ClientSession", high: bool) -> None:
        """Record whether too much waits for the client."""

    def forward(self, client: "ClientSession", request: bytes, text: bytes | SplicedText) -> None:
        """Send the workstation a message; ``request`` is its raw id, for an error or an answer."""

    def keep(self, client: "ClientSession", request: Request) -> None:
        """Hold a message for the workstation, or answer a question about held ones."""

    def note(self, client: "ClientSession", text: bytes) -> None:
        """Act on a ping of a client that receives marks."""

    def forward_auth(self, client: "ClientSession", request: bytes, text: bytes) -> None:
        """Send the workstation the ``auth`` of a device with a key of its own, with the workstation's key."""


class Entrance(Protocol):
    """Checks keys, and gives back the pending session to a client that is not connected."""

    def recognise(self, client: "ClientSession", auth_key: str) -> bool:
        """Return whether this is the key that the client has connected with. Raises RateLimited."""

    def rejoin(self, client: "ClientSession", found: Head, text: bytes) -> None:
        """Run another ``connect`` of a client that still waits for its workstation."""

    def turn_away(self, client: "ClientSession", text: bytes) -> None:
        """Send an error to a client that may not wait; its session is pending again."""


class ClientSession(BaseSession):
    """Checks a device's messages and forwards them, with the device's id spliced in."""

    __slots__ = (
        "_entrance",
        "audit",
        "auth_key",
        "author",
        "connected",
        "cursor",
        "device_id",
        "key_id",
        "marked",
        "reconnect",
        "route",
        "scope",
        "suffix",
        "told_offline",
        "tunnel_id",
    )
    role = Role.CLIENT
    kind = "client"

    def __init__(
        self, wire: Wire, limits: Limits, connection: Connection, route: Route, entrance: Entrance
    ) -> None:
        super().__init__(wire, limits)
        self.tunnel_id, self.device_id, self.auth_key = (
            connection.tunnel_id,
            connection.device_id,
            connection.auth_key,
        )
        self.reconnect, self.cursor = connection.reconnect, connection.resume
        self.marked = False
        self.suffix = head.device_suffix(connection.device_id)
        self.connected = self.told_offline = False
        self.key_id, self.scope = "", Scope.OWNER.value  # of its device key; no id: the workstation's own key
        self.audit: Audit | None = None
        self.route = route
        self._entrance = entrance

    def limit(self, key_id: str, scope: str, ended: Callable[[], bool] | None = None) -> None:
        """Allow what a device key of this scope allows; with ``ended`` nothing from then on. The audit, if
        there is one, is set before."""
        self.key_id, self.scope = key_id, scope
        unlimited = RULES[Role.CLIENT] if self.audit is None else AUDITED
        self.author = Author(self.tunnel_id, self.device_id, key_id, scope)
        self.wire.reading.skims = scope in LIMITED
        rules = LIMITED.get(Scope(scope), unlimited)
        self._known, self._act = (rules.known, rules.act) if ended is None else ({}, _until(ended, rules.act))

    def _record(self, found: Head, text: bytes, outcome: str) -> None:
        if self.audit is not None and is_command(found.type):
            self.audit.command(self.author, found.type, text, outcome)

    # Callbacks of the socket

    def handle(self, act: Act, found: Head, text: bytes) -> None:
        if found.hold and act in (_RELAY, _COMMAND, Act.RELAY_LIMITED):
            self._hold(act, found, text)
        elif act is _COMMAND:
            if self.audit is not None:
                self.audit.command(self.author, found.type, text)
            self._forward(found, text)
        elif act is _RELAY:
            self._forward(found, text)
        elif act is Act.CHECK_AUTH:
            self._authenticate(found, text)
        elif act is Act.RELAY_LIMITED or act is Act.FORBID:
            self._limited(act, found, text)
        elif not self.connected and found.type == "connect":
            self._entrance.rejoin(self, found, text)
        elif act is Act.HELD:
            self.route.keep(self, hold.question(found))
        else:
            super().handle(act, found, text)
            if self.marked and act is Act.PONG:
                self.route.note(self, text)

    def _forward(self, found: Head, text: bytes) -> None:
        """Forward a message with the device's id in it; a large one is not copied for that."""
        spliced: bytes | SplicedText
        if len(text) <= LARGE:
            spliced = head.splice(text, self.suffix)
        else:
            spliced = SplicedText(text, self.suffix, found.type, self.scope in LIMITED)
        self.route.forward(self, head.echoable(found.id), spliced)

    def _limited(self, act: Act, found: Head, text: bytes) -> None:
        """Forward a message if the scope allows it in its very form. Raises Forbidden."""
        self._check_scope(act, found, text)
        self._record(found, text, "relayed")
        self._forward(found, text)

    def _check_scope(self, act: Act, found: Head, text: bytes) -> None:
        try:
            if act is Act.FORBID:
                raise Forbidden
            check_form(found, text, self.wire.reading.form(text) if len(text) > LARGE else None)
        except Forbidden:
            metrics.count("device_keys_total", "forbidden")
            self._record(found, text, "forbidden")
            raise

    def _hold(self, act: Act, found: Head, text: bytes) -> None:
        if len(text) > LARGE:  # none as large may be held, so it is not read for that
            self.wire.send(hold.too_large(found))
            return
        if act is Act.RELAY_LIMITED:
            self._check_scope(act, found, text)
        request = hold.read(found, text, self.suffix, self.limits.hold_ttl_limit)
        self._record(found, text, "held")
        self.route.keep(self, request)

    def _authenticate(self, found: Head, text: bytes) -> None:
        """Forward a right ``auth``; answer a wrong one: the workstation would report it to all devices."""
        key, device = messages.read_auth(found.payload)
        if device != self.device_id or not self._entrance.recognise(self, key):
            metrics.count("auth_failures_total", "auth_message")
            self.wire.send(messages.auth_error(InvalidAuthKey()))
            return
        if self.key_id:
            request = head.echoable(found.id)
            self.route.forward_auth(self, request, messages.auth_of(key, device, request))
            return
        self._forward(found, text)

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

    @property
    def plain_pings(self) -> bool:  # type: ignore[override]  # a constant in other roles
        return not self.marked

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
            cursor=self.cursor,
            marked=self.marked,
        )

    # Calls of the home

    def send(self, text: bytes) -> None:
        self.wire.send(text)

    def accept(self, text: bytes) -> None:
        """Send ``connected``."""
        self.connected = True
        self.told_offline = False
        self.marked = self.cursor is not None and cursor.answers(text)
        self.wire.send(text)

    def refuse(self, text: bytes) -> None:
        self._entrance.turn_away(self, text)

    def notify(self, online: bool) -> None:
        self.told_offline = not online
        for text in messages.workstation_state(self.tunnel_id, online):
            self.wire.send(text)

    def here(self) -> None:
        """Do nothing: its edge keeps track of it."""

    def hold(self, held: bool) -> None:
        """Stop or resume reading the device, as its workstation is slow or has caught up."""
        if held:
            self.wire.pause(Pause.PRESSURE)
        else:
            self.wire.resume(Pause.PRESSURE)


def _until(ended: Callable[[], bool], act: Callable[[str], Act]) -> Callable[[str], Act]:
    """Return ``act`` for a key that expires; it raises InvalidAuthKey once that has ``ended``."""

    def act_of_key(kind: str) -> Act:
        if ended():
            raise InvalidAuthKey
        return act(kind)

    return act_of_key
