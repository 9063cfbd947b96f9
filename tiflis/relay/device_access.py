"""A home's look at what devices with keys of their own send from other workers, and as watches."""

from typing import Any, Protocol

from tiflis import metrics
from tiflis.protocol import head, messages, scopes, states
from tiflis.protocol.device_keys import key_id_of
from tiflis.protocol.errors import Forbidden, InvalidAuthKey, WorkstationOffline
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.device_registry import DeviceRegistry
from tiflis.relay.interfaces import KeyHolder, Workstation
from tiflis.relay.offline_queue import QueuedMessage
from tiflis.relay.sessions.client import Attached
from tiflis.relay.workstation_presence import WorkstationPresence


class Host(Protocol):
    """The tunnel's home."""

    tunnel_id: str
    presence: WorkstationPresence
    device_registry: DeviceRegistry

    @property
    def worker(self) -> KeyHolder: ...
    @property
    def workstation(self) -> Workstation | None: ...
    def forward(self, client: Attached, request: bytes, text: bytes) -> None: ...


class DeviceAccess:
    """Checks messages against their keys as they are now, and puts the workstation's key into each
    ``auth``. A client in the home's own worker is checked by its session."""

    def __init__(self, home: Host) -> None:
        self._home = home
        self._own_key = ""  # that the workstation expects, as far as known

    @property
    def _keys(self) -> DeviceKeys:
        keys = self._home.worker.keys
        if keys is None:
            raise InvalidAuthKey
        return keys

    def from_edge(self, client: Attached, request: bytes, text: bytes) -> None:
        """Forward a message of a client behind an edge, if its key allows it now."""
        if client.key_id:
            self._from_device(client, request, text)
        else:
            self._home.forward(client, request, text)

    def _from_device(self, client: Attached, request: bytes, text: bytes) -> None:
        entry = self._keys.get(self._home.tunnel_id, client.key_id)
        if entry is None:  # revoked: its socket is being closed
            metrics.count("device_keys_total", "forbidden")
            return
        found = head.peek(text)
        try:
            scopes.check(entry.scope, found, text)
        except Forbidden as problem:
            metrics.count("device_keys_total", "forbidden")
            client.send(messages.error(problem, request))
            return
        if _is_auth(found):
            self.forward_auth(client, request, text)
        else:
            self._home.forward(client, request, text)

    def forward_auth(self, client: Attached, request: bytes, text: bytes) -> None:
        """Forward a device's ``auth`` with the workstation's key. While that is not known the workstation
        is about to register, and gets the ``auth`` of all devices then."""
        own = self._own()
        if own:
            self._home.forward(client, request, messages.auth_of(own, client.device_id, request))
        elif self._home.presence.online:
            self._home.device_registry.introduced.discard(client.device_id)
        else:
            client.send(messages.error(WorkstationOffline(), request))

    def _own(self) -> str:
        workstation = self._home.workstation
        if workstation is not None:
            self._own_key = workstation.auth_key
        return self._own_key

    def watch(self, operation: str, arguments: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the arguments and the body of a watch's call with the workstation's key in place of a
        device key. Raise InvalidAuthKey, Forbidden."""
        given, device_id = str(arguments.get("auth_key", "")), str(arguments.get("device_id", ""))
        if not key_id_of(given):
            return arguments, body
        entry = self._keys.admit(self._home.tunnel_id, given, device_id)
        if operation == "command" and entry is not None:
            found = head.peek(body)
            scopes.check(entry.scope, found, body)
            if _is_auth(found):
                body = messages.auth_of(self._own(), device_id, head.echoable(found.id))
        return {**arguments, "auth_key": self._own()}, body

    def refuse_revoked(self, device_id: str) -> None:
        """Raise InvalidAuthKey for a watch whose key was revoked while its call was under way."""
        keys = self._home.worker.keys
        if keys is not None and keys.revoked_lately(self._home.tunnel_id, device_id):
            raise InvalidAuthKey

    def revoke(self, device_id: str) -> None:
        """Drop what a device whose key is revoked has sent and the workstation has not got."""
        self._home.presence.queue.drop(device_id)

    def unrevoked(self, messages: list[QueuedMessage]) -> list[QueuedMessage]:
        """Return the last home's messages without those of devices that have been revoked meanwhile."""
        keys, tunnel_id = self._home.worker.keys, self._home.tunnel_id
        return [one for one in messages if keys is None or not keys.revoked_lately(tunnel_id, one.device_id)]


def _is_auth(found: head.Head) -> bool:
    return states.act(states.Role.CLIENT, found.type) is states.Act.CHECK_AUTH
