"""Which device an answer of the workstation belongs to.

The workstation broadcasts its answers; a device that sees the answer to another device's question takes it
for its own. So the ids of recent requests are remembered, and an answer goes to the asker alone.
"""

from collections import deque

MEMORY_SECONDS = 60.0
MEMORY_PER_DEVICE = 256
MEMORY_OF_ALL = 32_768  # requests; a tunnel may have any number of devices

_Noted = tuple[bytes, float]  # a request's id, and when it was sent


class Requests:
    """The requests that devices sent within the last minute, by id. Bounded per device."""

    __slots__ = ("_askers", "_count", "_memory", "_per_device", "_recent")

    def __init__(self, memory: float = MEMORY_SECONDS, per_device: int = MEMORY_PER_DEVICE) -> None:
        """``memory``: seconds; ``per_device``: requests."""
        self._memory, self._per_device = memory, per_device
        self._askers: dict[bytes, dict[str, _Noted]] = {}  # the devices that asked, and when last
        self._recent: dict[str, deque[_Noted]] = {}
        self._count = 0  # requests of all devices

    def note(self, device_id: str, request: bytes, now: float) -> None:
        """``device_id`` has sent a request with this (non-empty) id."""
        recent = self._recent.get(device_id)
        if recent is None:
            recent = self._recent[device_id] = deque()
        noted = (request, now)
        self._askers.setdefault(request, {})[device_id] = noted
        recent.append(noted)
        self._count += 1
        if self._count > MEMORY_OF_ALL:
            self._trim_oldest()
        if len(recent) > self._per_device or recent[0][1] < now - self._memory:
            self._trim(device_id, recent, now)

    def _trim(self, device_id: str, recent: deque[_Noted], now: float) -> None:
        while recent and (len(recent) > self._per_device or recent[0][1] < now - self._memory):
            self._drop(device_id, recent)
        if not recent:
            del self._recent[device_id]

    def _trim_oldest(self) -> None:
        """Forget the first request of the device that has been remembered for longest."""
        device_id, recent = next(iter(self._recent.items()))
        self._drop(device_id, recent)
        if not recent:
            del self._recent[device_id]

    def _drop(self, device_id: str, recent: deque[_Noted]) -> None:
        noted = recent.popleft()
        self._count -= 1
        askers = self._askers.get(noted[0], {})
        # A request that was repeated since is kept by its later entry.
        if askers.get(device_id) is noted:
            del askers[device_id]
            if not askers:
                del self._askers[noted[0]]

    def asker(self, request: bytes, now: float) -> str | None:
        """Return the one device that asked this; None if none did, or more than one."""
        askers = self._askers.get(request)
        if not askers:
            return None
        recent = [device for device, (_, at) in askers.items() if at >= now - self._memory]
        return recent[0] if len(recent) == 1 else None

    def forget_older(self, now: float) -> None:
        """Drop what has expired, so that silent devices cost nothing."""
        for device_id in list(self._recent):
            self._trim(device_id, self._recent[device_id], now)

    def export(self) -> list[tuple[str, bytes, float]]:
        """Return all that is remembered: device, request id, time."""
        return [(device, request, at) for device, recent in self._recent.items() for request, at in recent]
