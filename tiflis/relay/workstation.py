"""A workstation's session, until a newer registration supersedes it."""

from msgspec import Raw

from tiflis.limits import Limits
from tiflis.protocol import head, long_text, messages, surrogates
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.head import Head
from tiflis.protocol.states import Act, Role
from tiflis.relay.home import Home
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import BaseSession, SessionState, Wire
from tiflis.relay.sessions.superseded import Superseded


class WorkstationSession(BaseSession):
    """Passes the workstation's messages to its tunnel's home."""

    __slots__ = ("_superseded_sockets", "auth_key", "home", "tunnel_id")
    role = Role.WORKSTATION
    kind = "workstation"
    plain_pings = True

    def __init__(
        self, wire: Wire, limits: Limits, home: Home, auth_key: str, superseded_sockets: Superseded
    ) -> None:
        """``auth_key``: the key that the workstation expects from its devices."""
        super().__init__(wire, limits)
        self.home, self.auth_key, self._superseded_sockets = home, auth_key, superseded_sockets
        self.tunnel_id = home.tunnel_id

    def received(self, text: bytes) -> None:
        """Deliver a message; a short ``forward.to_device`` in the shipped form needs no parsed head."""
        if text.startswith(messages.FORWARD) and len(text) <= long_text.LONG:
            forward = messages.read_forward(text)
            if forward is not None:
                self.home.to_device(forward.device_id, forward.payload.encode())
                return
        super().received(text)

    def handle(self, act: Act, found: Head, text: bytes) -> None:
        if act is Act.RELAY:
            self.home.from_workstation(found, text)
        elif act is Act.TO_DEVICE:
            self._to_device(found, text)
        else:
            super().handle(act, found, text)

    def _to_device(self, found: Head, text: bytes) -> None:
        device_id = head.short(found.device_id)
        long = len(text) > long_text.LONG
        if device_id and long and not surrogates.escaped(text) and self._to_client(device_id, found.payload):
            return
        payload = long_text.utf8(found.payload) if long else _utf8(found.payload)
        if not device_id or payload is None:
            wrong = {} if device_id else {"device_id": "at least 1 character"}
            raise InvalidPayload(
                "The forward.to_device message is not valid",
                wrong | ({"payload": "a string is required"} if payload is None else {}),
            )
        self.home.to_device(device_id, payload)

    def _to_client(self, device_id: str, raw: Raw) -> bool:
        """Send a long text, which has no escaped surrogates, to a device whose only socket is here; return
        False where it is not so. It is unescaped as it leaves: no second copy is made to wait."""
        match self.home.device_registry.sockets(device_id):
            case [ClientSession(connected=True, wire=wire)]:
                pass
            case _:
                return False
        home, stays = self.home, self.home.watches.stays
        if stays.holds(device_id) or not stays.ready or home.push.watching or home.held.awaits:
            return False  # others read the text too
        try:
            text = long_text.EscapedText(raw)
        except ValueError:
            return False
        wire.send_large(text)
        return True

    def lost(self) -> None:
        self.home.workstation_lost(self)

    def high_water(self, high: bool) -> None:
        if self.home.workstation is self:
            self.home.backpressure.hold(high)

    def overfull(self, high: bool) -> None:
        if self.home.workstation is self:
            self.home.backpressure.crowd(high)

    def superseded(self) -> None:
        self._superseded_sockets.add(self.home.tunnel_id, self.wire)

    def session_state(self) -> SessionState:
        return SessionState(
            "workstation", self.wire.number, tunnel_id=self.home.tunnel_id, auth_key=self.auth_key
        )

    def named(self) -> dict[str, str]:
        return {"connection": self.wire.connection_id, "tunnel": self.home.tunnel_id}


def _utf8(raw: Raw) -> bytes | None:
    text = head.string(raw)
    return None if text is None else text.encode()
