"""The device keys of one worker: the store, the keys, and what follows from their changes."""

import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from tiflis.bus.devices.spread import Spread
from tiflis.bus.devices.store import DeviceStore
from tiflis.bus.nats.client import NatsClient
from tiflis.bus.presence import Presence
from tiflis.bus.seals import Seals
from tiflis.limits import Limits
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.device_sessions import DeviceSessions
from tiflis.relay.hub import Hub
from tiflis.relay.sessions.session import Wire

LOAD_SECONDS = 5.0  # for the keys to be loaded at the start; without them all else works
OWNERS_SHOWN = 1024  # devices of one tunnel and worker that use the workstation's own key

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Devices:
    """Composes the device keys of a worker."""

    def __init__(self, link: NatsClient, keyring: Keyring, limits: Limits, spawn: Spawn) -> None:
        """``link``: belongs to the caller."""
        self.store = DeviceStore(link, Seals(keyring.seal_keys()), limits.device_bytes)
        self.keys = DeviceKeys(self.store, keyring, time.time, limits.pairing_window, spawn)

    async def start(self) -> None:
        """Load the keys."""
        await self.store.start(LOAD_SECONDS)

    def follow(self, me: str, presence: Presence, hub: Hub, wires: Callable[[], Iterable[Wire]]) -> None:
        """Apply changes to the sockets, and have the other workers confirm those made here."""
        self._sessions = DeviceSessions(hub, self.keys, wires)
        self.store.on_change = self._sessions.changed
        spread = Spread(presence, me, self.store.changed)
        self.keys.confirm, hub.knows_keys = spread.confirm, spread.knows
        hub.check_key = self._sessions.check
        presence.act("present", self._present)

    def _present(self, about: dict[str, Any]) -> dict[str, Any]:
        keys, owners = self._sessions.present(str(about["tunnel"]))
        return {"keys": keys, "owners": owners[:OWNERS_SHOWN]}

    def expire(self) -> None:
        """Close the sockets whose keys have expired. Called regularly."""
        self._sessions.expire()

    async def close(self) -> None:
        """Stop following the store."""
        await self.store.close()
