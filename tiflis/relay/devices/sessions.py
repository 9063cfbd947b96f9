"""Applies changes of device keys to the sockets, watches and homes of one worker."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

from tiflis.bus.devices.records import DeviceKey, Entry
from tiflis.protocol.close import CloseCode
from tiflis.protocol.errors import TunnelError
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.hub import Hub
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import Wire
from tiflis.relay.watch.calls import Disconnect

REVOKED = "The key of this device was revoked"
EXPIRED = "The key of this device has expired"
AHEAD = 5.0  # seconds before a key's end at which its sockets get timers: longer than the pause of ``expire``
LEAST = 0.001  # seconds: a timer that comes early by rounding does not spin


class DeviceSessions:
    """Closes the sockets of keys that are over, and limits those whose scope has changed."""

    def __init__(self, hub: Hub, keys: DeviceKeys, wires: Callable[[], Iterable[Wire]]) -> None:
        """``wires``: all open sockets of this worker."""
        self._hub, self._keys, self._wires = hub, keys, wires

    def changed(self, old: Entry | None, new: Entry | None) -> None:
        """Apply a change before this returns: nothing that is read afterwards counts under the old key."""
        if not isinstance(old, DeviceKey):
            return
        if not isinstance(new, DeviceKey):
            self._keys.note_revoked(old)
            self._end(old, REVOKED)
        elif new.scope != old.scope:
            for client in self._clients(old):
                client.limit(new.key_id, new.scope, self._keys.ending(new))
            home = self._hub.router.homes.get(new.tunnel_id)
            if home is not None and new.device_id:
                home.access.limit(new)

    def expire(self) -> None:
        """Close the sockets whose keys have expired. Called regularly."""
        for wire in self._wires():
            client = wire.session
            if isinstance(client, ClientSession) and client.key_id:
                self.check(client)

    def check(self, client: ClientSession) -> None:
        """Close a client's socket unless its device key is in force; allow what the key's scope is now.

        Called when it connects, and regularly: a key that is about to expire ends its socket in that moment.
        """
        if not client.key_id:
            return
        entry = self._keys.get(client.tunnel_id, client.key_id)
        if entry is None:
            client.wire.close(CloseCode.POLICY_VIOLATION, EXPIRED)
            return
        if entry.scope != client.scope:
            client.limit(entry.key_id, entry.scope, self._keys.ending(entry))
        left = self._keys.lasts(entry)
        if left < AHEAD:
            # By the time of day, not by the patient clock: a key does not last longer for a pause of ours.
            asyncio.get_running_loop().call_later(max(left, LEAST), self._check_again, client)

    def _check_again(self, client: ClientSession) -> None:
        if client in self._all():  # it may have gone, or to another worker
            self.check(client)

    def present(self, tunnel_id: str) -> tuple[list[str], list[str]]:
        """Return the ids of the tunnel's keys with a socket here, and the devices here that use the
        workstation's own key or did a moment ago."""
        clients = [one for one in self._all() if one.tunnel_id == tunnel_id and one.connected]
        home = self._hub.router.homes.get(tunnel_id)
        lately = [*home.device_registry.export(), *home.watches.devices()] if home else []
        owned = {one.device_id for one in self._keys.all(tunnel_id)}
        owners = {one.device_id for one in clients if not one.key_id}
        return sorted({one.key_id for one in clients if one.key_id}), sorted(owners | (set(lately) - owned))

    def _end(self, entry: DeviceKey, reason: str) -> None:
        home = self._hub.router.homes.get(entry.tunnel_id)
        if home is not None:
            home.watches.stays.forget(entry.device_id)
        for client in list(self._clients(entry)):
            client.wire.close(CloseCode.POLICY_VIOLATION, reason)
        if home is not None and entry.device_id:
            home.access.revoke(entry.device_id)
            if entry.device_id in home.watches.devices():
                self._hub.spawn(self._disconnect(entry))

    async def _disconnect(self, entry: DeviceKey) -> None:
        """Drop the queue of a revoked watch."""
        with contextlib.suppress(TunnelError):
            await self._hub.call(entry.tunnel_id, Disconnect(entry.device_id))

    def _clients(self, entry: DeviceKey) -> Iterator[ClientSession]:
        return (one for one in self._all() if (one.key_id, one.tunnel_id) == (entry.key_id, entry.tunnel_id))

    def _all(self) -> list[ClientSession]:
        sessions = (wire.session for wire in self._wires())
        return [one for one in sessions if isinstance(one, ClientSession)]
