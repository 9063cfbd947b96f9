"""The watches that have disconnected themselves: a poll that comes late must not connect them again."""

from collections.abc import Callable

LIMIT = 1024  # devices remembered per tunnel


class Departures:
    """When each device disconnected."""

    def __init__(self, clock: Callable[[], float], lifetime: float) -> None:
        """``lifetime``: seconds for which a departure counts."""
        self._clock, self._lifetime = clock, lifetime
        self._departed: dict[str, float] = {}

    def note(self, device_id: str) -> None:
        """Remember that the device has disconnected."""
        if len(self._departed) >= LIMIT:
            del self._departed[next(iter(self._departed))]
        self._departed[device_id] = self._clock()

    def forget(self, device_id: str) -> None:
        """Note that the device has connected again."""
        self._departed.pop(device_id, None)

    def __contains__(self, device_id: str) -> bool:
        """Return whether the device has disconnected itself, not long ago."""
        return self._departed.get(device_id, float("-inf")) > self._clock() - self._lifetime
