"""Which device an answer of the workstation belongs to.

The workstation broadcasts its answers; a device that sees the answer to another device's question takes it
for its own. So the ids of recent requests are remembered, and an answer goes to the asker alone.
"""

from collections import deque

MEMORY_SECONDS = 60.0
MEMORY_PER_DEVICE = 256


class Requests:
    """The requests that devices sent within the last minute, by id. Bounded per device."""

    __slots__ = ("_askers", "_recent")

    def __init__(self) -> None:
        self._askers: dict[bytes, dict[str, float]] = {}
        self._recent: dict[str, deque[tuple[bytes, float]]] = {}

    def note(self, device_id: str, request: bytes, now: float) -> None:
        """``device_id`` has sent a request with this (non-empty) id."""
        recent = self._recent.get(device_id)
        if recent is None:
            recent = self._recent[device_id] = deque()
        askers = self._askers.setdefault(request, {})
        askers[device_id] = now
        recent.append((request, now))
        if len(recent) > MEMORY_PER_DEVICE or recent[0][1] < now - MEMORY_SECONDS:
            self._trim(device_id, recent, now)

    def _trim(self, device_id: str, recent: deque[tuple[bytes, float]], now: float) -> None:
        while recent and (len(recent) > MEMORY_PER_DEVICE or recent[0][1] < now - MEMORY_SECONDS):
            request, at = recent.popleft()
            askers = self._askers.get(request)
            # A request that was repeated since is kept by its later entry.
            if askers is not None and askers.get(device_id, at) <= at:
                askers.pop(device_id, None)
                if not askers:
                    del self._askers[request]
        if not recent:
            del self._recent[device_id]

    def asker(self, request: bytes, now: float) -> str | None:
        """The one device that asked this; None if nobody did, or more than one."""
        askers = self._askers.get(request)
        if not askers:
            return None
        recent = [device for device, at in askers.items() if at >= now - MEMORY_SECONDS]
        return recent[0] if len(recent) == 1 else None

    def forget_older(self, now: float) -> None:
        """Drop what has expired, so that silent devices cost nothing."""
        for device_id in list(self._recent):
            self._trim(device_id, self._recent[device_id], now)

    def export(self) -> list[tuple[str, bytes, float]]:
        """All that is remembered: device, request id, time."""
        return [(device, request, at) for device, recent in self._recent.items() for request, at in recent]
