"""How far the sockets of one device that stays have processed its queue: each is a reader of its own."""

from collections.abc import Collection

LEFT_LIMIT = 8  # readers whose socket has closed that are remembered per device


class Readers:
    """Positions are numbers of the queue. A socket whose position is not known has read nothing."""

    def __init__(self) -> None:
        self._present: dict[object, int] = {}
        self._left: list[tuple[float, int]] = []  # when a socket closed, and its position

    def came(self, socket: object, position: int) -> None:
        """Begin a socket's reading at the cursor that it resumes from: the reader that left there is back."""
        self._present[socket] = position
        back = max((one for one in self._left if one[1] <= position), key=lambda one: one[1], default=None)
        if back is not None:
            self._left.remove(back)

    def read(self, socket: object, position: int) -> None:
        """Note that the socket's client has processed everything up to this number."""
        self._present[socket] = max(position, self._present.get(socket, 0))

    def left(self, socket: object, now: float) -> None:
        """Remember the position of a socket that has closed: its client may come back."""
        self._left.append((now, self._present.pop(socket, 0)))
        del self._left[:-LEFT_LIMIT]

    def least(self, sockets: Collection[object], horizon: float) -> int:
        """Return the number that all have processed: ``sockets``, which are the device's, and those that
        closed after ``horizon``."""
        self._present = {one: at for one, at in self._present.items() if one in sockets}
        self._left = [one for one in self._left if one[0] > horizon]
        positions = [self._present.get(one, 0) for one in sockets]
        return min([*positions, *(position for _, position in self._left)], default=0)
