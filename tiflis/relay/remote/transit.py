"""A client between two workers: it has left one, and what it is sent waits until it is at the other."""

from tiflis.relay.remote import envelope
from tiflis.relay.remote.snapshot import ClientSnapshot
from tiflis.relay.sessions.client import Attached

LIMIT = 64 * 1024 * 1024  # bytes that may wait for one client, as for any slow one


class Absent:
    """Stands in for a client's socket on its way, and repeats to it what it has missed."""

    __slots__ = ("_missed", "_size", "connected", "device_id", "overflowed", "reconnect", "told_offline")

    def __init__(self, client: "Attached | ClientSnapshot") -> None:
        self.device_id, self.reconnect = client.device_id, client.reconnect
        self.connected, self.told_offline = client.connected, client.told_offline
        self.overflowed = False
        self._missed: list[tuple[int, bytes]] = []  # as an envelope has it: what kind, and the text
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return 0 if self.overflowed else self._size

    def _miss(self, kind: int, text: bytes) -> None:
        self._size += len(text)
        if self._size > LIMIT:
            self.overflowed = True
            self._missed.clear()
        if not self.overflowed:
            self._missed.append((kind, text))

    def send(self, text: bytes) -> None:
        self._miss(envelope.SEND, text)

    def accept(self, text: bytes) -> None:
        self.connected, self.told_offline = True, False
        self._miss(envelope.ACCEPT, text)

    def refuse(self, text: bytes) -> None:
        self._miss(envelope.REFUSE, text)

    def tell(self, online: bool) -> None:
        self.told_offline = not online
        self._miss(envelope.TELL, bytes((online,)))

    def here(self) -> None:
        self.connected = True

    def repeat_to(self, client: Attached) -> None:
        """The client has arrived: say all that it has missed, in order."""
        for kind, text in self._missed:
            envelope.say(kind, client, text)

    def missed_before(self, owed: list[bytes], number: int) -> None:
        """An edge's messages that come before all that is here already; ``number`` is the client's there."""
        earlier = Absent(self)
        earlier.connected = self.connected and not any(envelope.begins(text, number) for text in owed)
        for text in owed:
            envelope.repeat(text, {number: earlier})
        self._missed, self._size = earlier._missed + self._missed, earlier._size + self._size
        self.overflowed = self.overflowed or earlier.overflowed

    def pack(self, number: int) -> ClientSnapshot:
        """For another worker, where it may arrive instead."""
        return client_snapshot(self, number, self._missed, self.overflowed)

    @classmethod
    def unpack(cls, packed: ClientSnapshot) -> "Absent":
        absent = cls(packed)
        absent._missed, absent.overflowed = list(packed.missed), packed.overflowed
        absent._size = sum(len(text) for _, text in packed.missed)
        return absent


def client_snapshot(
    client: Attached, number: int, missed: list[tuple[int, bytes]] | None = None, overflowed: bool = False
) -> ClientSnapshot:
    """A client as it is written down for another worker."""
    return ClientSnapshot(
        number,
        client.device_id,
        client.connected,
        client.told_offline,
        client.reconnect,
        missed or [],
        overflowed,
    )
