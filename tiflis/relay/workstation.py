"""A workstation's session, and what becomes of it when a newer registration takes its place."""

from tiflis.limits import Limits
from tiflis.protocol import head
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.head import Head
from tiflis.protocol.states import Act, Role
from tiflis.relay.home import Home
from tiflis.relay.orphans import Orphans
from tiflis.relay.passport import Passport
from tiflis.relay.session import BaseSession
from tiflis.relay.wire import Wire


class WorkstationSession(BaseSession):
    """Passes the workstation's messages to its tunnel's home."""

    __slots__ = ("_orphans", "auth_key", "home")
    role = Role.WORKSTATION
    kind = "workstation"

    def __init__(self, wire: Wire, limits: Limits, home: Home, auth_key: str, orphans: Orphans) -> None:
        """``auth_key``: what the workstation wants to hear from its devices."""
        super().__init__(wire, limits)
        self.home, self.auth_key, self._orphans = home, auth_key, orphans

    def handle(self, what: Act, found: Head, text: bytes) -> None:
        if what is Act.RELAY:
            self.home.from_workstation(found, text)
        elif what is Act.TO_DEVICE:
            self._to_device(found)
        else:
            super().handle(what, found, text)

    def _to_device(self, found: Head) -> None:
        device_id, payload = head.string(found.device_id), head.string(found.payload)
        if not device_id or payload is None:
            wrong = {} if device_id else {"device_id": "at least 1 character"}
            raise InvalidPayload(
                "The forward.to_device message is not valid",
                wrong | ({"payload": "a string is required"} if payload is None else {}),
            )
        self.home.to_device(device_id, payload.encode())

    def lost(self) -> None:
        self.home.workstation_lost(self)

    def pressed(self, high: bool) -> None:
        if self.home.workstation is self:
            self.home.hold(high)

    def crowded(self, high: bool) -> None:
        if self.home.workstation is self:
            self.home.crowd(high)

    def superseded(self) -> None:
        self._orphans.add(self.home.tunnel_id, self.wire)

    def passport(self) -> Passport:
        return Passport(
            "workstation", self.wire.number, tunnel_id=self.home.tunnel_id, auth_key=self.auth_key
        )

    def named(self) -> dict[str, str]:
        return {"connection": self.wire.connection_id, "tunnel": self.home.tunnel_id}
