"""One home with its workstation and clients, all in one worker."""

from typing import Any

from tests.relay.fakes import AUTH_KEY, FakeDesk, FakeHost, FakeWire, record
from tiflis.protocol import messages
from tiflis.protocol.head import Head
from tiflis.protocol.messages import Connection
from tiflis.relay.home import Home
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.superseded import Superseded
from tiflis.relay.workstation import WorkstationSession


class Doorman:
    """Records the clients that are refused or connect again."""

    def __init__(self) -> None:
        self.rejoined: list[ClientSession] = []
        self.turned_away: list[bytes] = []

    def recognise(self, client: ClientSession, auth_key: str) -> bool:
        return auth_key.strip() == client.auth_key

    def rejoin(self, client: ClientSession, found: Head, text: bytes) -> None:
        self.rejoined.append(client)

    def turn_away(self, client: ClientSession, text: bytes) -> None:
        client.route.detach(client)
        self.turned_away.append(text)
        client.wire.send(text)


ONLINE = ["connection.workstation_online", "workstation.status"]
OFFLINE = ["connection.workstation_offline", "workstation.status"]


def types(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


class Stage:
    """One home; ``workstation`` and ``client`` add a peer and return its wire."""

    def __init__(self, **limits: Any) -> None:
        self.host = FakeHost()
        if limits:
            self.host.limits = self.host.limits.model_copy(update=limits)
        self.home = Home(self.host, record())
        self.watches = self.home.watches = FakeDesk()
        self.superseded_sockets = Superseded(self.host.limits)
        self.doorman = Doorman()

    def workstation(self) -> FakeWire:
        """Register the tunnel's workstation once more."""
        wire = FakeWire()
        session = WorkstationSession(wire, self.host.limits, self.home, AUTH_KEY, self.superseded_sockets)
        wire.session = session
        self.home.register(session, messages.registered("tunnel-1", "ws://here/ws", False))
        return wire

    def client(self, device_id: str = "phone", reconnect: bool = False, request: bytes = b"") -> FakeWire:
        wire = FakeWire()
        connection = Connection("tunnel-1", AUTH_KEY, device_id, reconnect)
        client = ClientSession(wire, self.host.limits, connection, self.home, self.doorman)
        wire.session = client
        self.home.attach(client, request)
        return wire

    def go_offline(self, workstation: FakeWire) -> None:
        """Close the workstation's socket and let the grace pass."""
        workstation.end()
        self.host.pass_time(self.host.limits.offline_grace + 0.1)
