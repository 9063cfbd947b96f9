"""The devices of one tunnel: their sockets in all workers, and the devices that left a moment ago."""

from collections.abc import Callable, Iterator

from tiflis.relay.sessions.client import Attached

LEFT_LIMIT = 4096  # devices that are remembered after their last socket


class DeviceRegistry:
    """The sockets of each device, and the devices whose ``auth`` the workstation has received."""

    def __init__(self, now: Callable[[], float], memory: float) -> None:
        """``memory``: seconds for which a device is remembered after its last socket."""
        self._now, self._memory = now, memory
        self._devices: dict[str, list[Attached]] = {}
        self._left: dict[str, float] = {}  # when a device's connected socket closed last
        self._leaving: set[str] = set()  # devices with a connected socket closed, but not the last one
        self.introduced: set[str] = set()  # devices whose ``auth`` the current workstation has received
        self.on_replace: Callable[[Attached, Attached], None] = lambda old, new: None

    def __len__(self) -> int:
        return len(self._devices)

    def __contains__(self, device_id: str) -> bool:
        return device_id in self._devices

    def sockets(self, device_id: str) -> list[Attached]:
        return self._devices.get(device_id, [])

    def everyone(self) -> Iterator[Attached]:
        """Return every socket of every device; changes meanwhile do not affect the iteration."""
        return iter([attached for sockets in self._devices.values() for attached in sockets])

    def waiting(self) -> int:
        """Return how many sockets wait for their workstation."""
        return sum(not attached.connected for attached in self.everyone())

    def add(self, attached: Attached) -> None:
        self._devices.setdefault(attached.device_id, []).append(attached)

    def remove(self, attached: Attached) -> bool:
        """Remove a socket; return whether it was the last one of a device that had been connected."""
        sockets = self._devices.get(attached.device_id, [])
        if attached not in sockets:
            return False
        sockets.remove(attached)
        if attached.connected:
            self._left.pop(attached.device_id, None)
            self._left[attached.device_id] = self._now()
            if len(self._left) > LEFT_LIMIT:
                del self._left[next(iter(self._left))]
            self._leaving.add(attached.device_id)
        if sockets:
            return False
        del self._devices[attached.device_id]
        if attached.device_id not in self._leaving:
            return False
        self._leaving.discard(attached.device_id)
        self.introduced.discard(attached.device_id)
        return True

    def replace(self, old: Attached, new: Attached) -> None:
        """Put ``new``, the same client in another place, where ``old`` was."""
        sockets = self._devices[old.device_id]
        sockets[sockets.index(old)] = new
        self.on_replace(old, new)

    def clear(self) -> None:
        """Remove all sockets; no device counts as having left."""
        self._devices.clear()
        self._leaving.clear()

    def present(self) -> set[str]:
        """Return the devices with a connected socket."""
        return {attached.device_id for attached in self.everyone() if attached.connected}

    def known(self, attached: Attached) -> bool:
        """Return whether the device has another connected socket, or had one within its memory."""
        device_id = attached.device_id
        if any(other.connected for other in self.sockets(device_id) if other is not attached):
            return True
        left = self._left.get(device_id)
        return left is not None and self._now() - left <= self._memory

    def export(self) -> dict[str, float]:
        """Return for each known device how many seconds ago it was connected; 0 if it is."""
        now = self._now()
        ages = {device_id: now - left for device_id, left in self._left.items()}
        return ages | dict.fromkeys(self.present(), 0.0)

    def remember(self, ages: dict[str, float]) -> None:
        """Add what the last home's registry exported."""
        now = self._now()
        self._left.update({device_id: now - age for device_id, age in ages.items()})

    def tidy(self) -> None:
        """Forget devices that have been away for longer than their memory."""
        now = self._now()
        self._left = {device: left for device, left in self._left.items() if now - left <= self._memory}
