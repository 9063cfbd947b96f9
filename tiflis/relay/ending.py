"""What an operator ends in one worker: a tunnel's sockets and watches, a device's, or one socket."""

from collections.abc import Callable, Iterable

from tiflis.protocol.close import CloseCode
from tiflis.relay.hub import Hub
from tiflis.relay.sessions.client import ClientSession
from tiflis.relay.sessions.session import Session, Wire
from tiflis.relay.watch.calls import Disconnect

REASON = "Ended by the operator"


class Ending:
    """Closes sockets and forgets watches of this worker; their peers may come back with their keys."""

    def __init__(self, hub: Hub, wires: Callable[[], Iterable[Wire]]) -> None:
        """``wires``: all open sockets of this worker."""
        self._hub, self._wires = hub, wires

    def tunnel(self, tunnel_id: str) -> int:
        """End a tunnel; return the number of its sockets, watches, and devices that stayed without a
        socket."""
        home = self._hub.router.homes.get(tunnel_id)
        devices = list(home.watches.devices()) if home else []
        stays = home.watches.stays.forget_all() if home else 0
        sockets = self._close(lambda one: one.named().get("tunnel") == tunnel_id)
        return sockets + stays + self._watches(tunnel_id, devices)

    def device(self, tunnel_id: str, device_id: str) -> int:
        """End one device of a tunnel."""
        home = self._hub.router.homes.get(tunnel_id)
        devices = [device_id] if home and device_id in home.watches.devices() else []
        stays = int(home.watches.stays.forget(device_id)) if home else 0

        def its(one: Session) -> bool:
            return isinstance(one, ClientSession) and (one.tunnel_id, one.device_id) == (tunnel_id, device_id)

        return self._close(its) + stays + self._watches(tunnel_id, devices)

    def connection(self, connection_id: str) -> int:
        """End the socket with this id."""
        return self._close(lambda one: one.named().get("connection") == connection_id)

    def _close(self, fits: Callable[[Session], bool]) -> int:
        ended = [wire for wire in self._wires() if wire.session is not None and fits(wire.session)]
        for wire in ended:
            wire.close(CloseCode.POLICY_VIOLATION, REASON)
        return len(ended)

    def _watches(self, tunnel_id: str, devices: list[str]) -> int:
        for device_id in devices:
            self._hub.spawn(self._disconnect(tunnel_id, device_id))
        return len(devices)

    async def _disconnect(self, tunnel_id: str, device_id: str) -> None:
        await self._hub.call(tunnel_id, Disconnect(device_id))
