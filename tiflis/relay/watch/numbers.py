"""The numbers of watches whose queues have gone, so that a device that comes back goes on above them."""

from tiflis.relay.watch.queue import WatchQueue

LIMIT = 1024  # devices per tunnel, some 200 bytes each
HIGHEST = 2**53  # that a device may bring along: JSON readers know no higher whole number


class PastNumbers:
    """The highest number of each device. What exceeds LIMIT raises ``_floor``, which holds for all others."""

    def __init__(self, lifetime: float) -> None:
        """``lifetime``: seconds for which a number is kept."""
        self._lifetime = lifetime
        self._kept: dict[str, tuple[int, float]] = {}
        self._floor, self._floor_at = 0, 0.0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, device_id: str) -> int | None:
        """Return the device's highest number, or None."""
        number, _ = self._kept.get(device_id, (None, 0.0))
        return number

    def keep(self, device_id: str, number: int, now: float) -> None:
        """Remember the highest number of a device that has gone."""
        self._kept[device_id] = (number, now)
        if len(self._kept) > LIMIT:
            oldest = next(iter(self._kept))
            self._floor, self._floor_at = max(self._floor, self._kept.pop(oldest)[0]), now

    def forget(self, device_id: str) -> None:
        """Let the device begin at 1 again."""
        self._kept.pop(device_id, None)

    def resume(self, device_id: str, queue: WatchQueue, since: int) -> None:
        """Begin ``queue`` above the device's earlier numbers and above ``since``, the number it sent. One
        number is left out as a gap: there may have been messages meanwhile."""
        known, _ = self._kept.pop(device_id, (self._floor, 0.0))
        before = max(known, since if since < HIGHEST else 0)
        if before:
            queue.last = before
            queue.skip()

    def expire(self, now: float) -> None:
        """Forget what has been kept for long enough."""
        for device_id, (_, since) in list(self._kept.items()):
            if since + self._lifetime <= now:
                del self._kept[device_id]
        if self._floor_at + self._lifetime <= now:
            self._floor = 0
