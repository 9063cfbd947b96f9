"""A client between two workers: it has left one, and what it is sent waits until it is at the other."""

from typing import Any

from tiflis.relay.client import Attached

LIMIT = 64 * 1024 * 1024  # bytes that may wait for one client, as for any slow one


class Absent:
    """Stands in for a client's socket on its way, and repeats to it what it has missed."""

    __slots__ = ("_missed", "_size", "connected", "device_id", "overflowed", "reconnect", "told_offline")

    def __init__(self, client: Attached) -> None:
        self.device_id, self.reconnect = client.device_id, client.reconnect
        self.connected, self.told_offline = client.connected, client.told_offline
        self.overflowed = False
        self._missed: list[tuple[str, Any]] = []
        self._size = 0

    def send(self, text: bytes) -> None:
        self._size += len(text)
        if self._size > LIMIT:
            self.overflowed = True
            self._missed.clear()
        if not self.overflowed:
            self._missed.append(("send", text))

    def accept(self, text: bytes) -> None:
        self.connected, self.told_offline = True, False
        self._missed.append(("accept", text))

    def refuse(self, text: bytes) -> None:
        self._missed.append(("refuse", text))

    def tell(self, online: bool) -> None:
        self.told_offline = not online
        self._missed.append(("tell", online))

    def repeat_to(self, client: Attached) -> None:
        """The client has arrived: say all that it has missed, in order."""
        for verb, argument in self._missed:
            getattr(client, verb)(argument)
