"""Sends devices what becomes of their held messages."""

from tiflis.protocol import hold
from tiflis.relay.held.interfaces import Host
from tiflis.relay.held.records import HeldRecord
from tiflis.relay.sessions.client import Attached


class Receipts:
    """The receipts of one tunnel."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def send(self, attached: Attached, text: bytes) -> None:
        """Send to a socket, unless it has gone meanwhile: its device asks again."""
        if attached in self._host.device_registry.sockets(attached.device_id):
            attached.send(text)

    def tell(self, attached: Attached, record: HeldRecord) -> None:
        """Send a socket the state of a message."""
        found = record.described()
        self.send(attached, hold.receipt(record.id, str(found["state"]), until=found["until"]))

    def receivers(self, device_id: str) -> list[Attached]:
        """Return the device's sockets that are sent receipts unasked. One that waits for its workstation is
        among them if it resumes: a shipped client knows no message before ``connected``."""
        sockets = self._host.device_registry.sockets(device_id)
        return [one for one in sockets if one.connected or one.cursor is not None]

    def tell_all(self, record: HeldRecord, asker: Attached | None = None) -> None:
        """Send a message's state to its device, and to the socket that has asked for the change."""
        receivers = self.receivers(record.device_id)
        if asker is not None and asker not in receivers:
            receivers.append(asker)
        for attached in receivers:
            self.tell(attached, record)
