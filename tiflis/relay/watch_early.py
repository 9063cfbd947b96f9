"""What is delivered to a tunnel's watches before anybody knows whether there are any."""

from tiflis.relay.watch.queue import Bounds


class StartupBuffer:
    """Bounded like one watch's queue; ``lost``: whether that was too little."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.size = 0
        self.texts: list[tuple[bytes, str | None]] = []  # with the one device that it is for
        self.lost = False

    def hold(self, text: bytes, device_id: str | None) -> None:
        self.texts.append((text, device_id))
        self.size += len(text)
        while len(self.texts) > self._bounds.messages or self.size > self._bounds.size:
            self.size -= len(self.texts.pop(0)[0])
            self.lost = True
