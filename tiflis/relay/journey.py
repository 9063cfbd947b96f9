"""Who is on the way to a tunnel's new home: until all are there its workstation is not read."""

from collections.abc import Iterable

Place = tuple[str, int]  # a worker, and a socket's number there


class Journey:
    """The sockets that a tunnel's last home has told of, and the devices behind them."""

    __slots__ = ("_came_early", "devices", "greeted", "sockets")

    def __init__(self) -> None:
        self.sockets: set[Place] = set()
        self.devices: set[str] = set()  # that were connected there and have not been seen here
        self.greeted = False  # those that arrive are to hear that the workstation is back
        self._came_early: set[str] = set()  # devices that were here, and gone, before we were told of them

    def begin(self, sockets: Iterable[Place], greeted: bool) -> None:
        """These are on their way."""
        self.sockets |= set(sockets)
        self.greeted = greeted

    def expect(self, devices: set[str]) -> None:
        """These devices were connected, and should be so again."""
        self.devices |= devices - self._came_early

    def seen(self, device_id: str) -> None:
        """It is here."""
        self.devices.discard(device_id)

    def left(self, device_id: str) -> None:
        """It has been here, and has gone again."""
        self._came_early.add(device_id)

    def end(self) -> set[str]:
        """Nobody is waited for any more. Returns the devices that did not come."""
        lost, self.devices = self.devices, set()
        self.sockets.clear()
        self._came_early.clear()
        self.greeted = False
        return lost
