"""The way of messages through a home, for LOG_LEVEL=debug: who is told what, never what it says."""

import logging

from tiflis.protocol.head import Head
from tiflis.relay.edge_session import RemoteClient
from tiflis.relay.home import Home
from tiflis.relay.sessions.client import Attached, ClientSession

log = logging.getLogger(__name__)


def home_class() -> type[Home]:
    """Homes that tell, or, as nobody listens, homes that spend no time on it."""
    return TracedHome if log.isEnabledFor(logging.DEBUG) else Home


class TracedHome(Home):
    """Says where each message goes, by the connection that it came on."""

    _addressed = 0  # messages for one device so far

    def forward(self, client: Attached, request: bytes, text: bytes) -> None:
        to = self.workstation.wire.connection_id if self.workstation is not None else "nobody yet"
        self._routed(connection_of(client), text, device=client.device_id, to=to)
        super().forward(client, request, text)

    def to_workstation(self, text: bytes, device_id: str, request_id: bytes) -> None:
        to = self.workstation.wire.connection_id if self.workstation is not None else "nobody yet"
        self._routed("watch", text, device=device_id, to=to)
        super().to_workstation(text, device_id, request_id)

    def from_workstation(self, found: Head, text: bytes) -> None:
        before = self._addressed
        super().from_workstation(found, text)
        if self._addressed == before:
            self._routed(self._source(), text, to="everyone", devices=len(self.device_registry))

    def to_device(self, device_id: str, text: bytes) -> None:
        self._addressed += 1
        sockets = [connection_of(attached) for attached in self.device_registry.sockets(device_id)]
        self._routed(self._source(), text, device=device_id, to=sockets or "watch")
        super().to_device(device_id, text)

    def _source(self) -> str:
        return self.workstation.wire.connection_id if self.workstation is not None else ""

    def _routed(self, connection: str, text: bytes, **more: object) -> None:
        extra = {"connection": connection, "tunnel": self.tunnel_id, "bytes": len(text), **more}
        log.debug("message routed", extra=extra)


def connection_of(attached: Attached) -> str:
    """The id that its socket has had since it was opened, in whichever worker."""
    if isinstance(attached, ClientSession):
        return attached.wire.connection_id
    return attached.connection if isinstance(attached, RemoteClient) else ""
