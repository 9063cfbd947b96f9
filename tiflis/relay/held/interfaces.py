"""The interface of a tunnel's home for its held messages."""

from typing import Protocol

from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.interfaces import Access, Watches
from tiflis.relay.workstation_presence import WorkstationPresence


class Host(Protocol):
    """The tunnel's home as its held messages need it."""

    tunnel_id: str
    frozen: bool
    retired: bool
    watches: Watches
    presence: WorkstationPresence
    device_registry: DeviceRegistry

    def device_left(self, device_id: str) -> None: ...
    @property
    def access(self) -> Access: ...
