"""A home's look at what devices with keys of their own send from other workers, and as watches."""

from functools import partial
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from tiflis import metrics
from tiflis.bus.devices.records import DeviceKey
from tiflis.protocol import head, messages, scopes, states
from tiflis.protocol.device_keys import key_id_of
from tiflis.protocol.errors import Forbidden, InvalidAuthKey, TunnelError, WorkstationOffline
from tiflis.protocol.scan import LARGE
from tiflis.protocol.spliced import SplicedText
from tiflis.relay.auth.device_keys import DeviceKeys
from tiflis.relay.devices.audit import SESSION_LOOKED_AT, Author, is_command
from tiflis.relay.devices.registry import DeviceRegistry
from tiflis.relay.interfaces import KeyHolder, Watches, Workstation
from tiflis.relay.offline_queue import QueuedMessage
from tiflis.relay.sessions.client import Attached
from tiflis.relay.watch import reading
from tiflis.relay.watch.calls import Call, Command, Connect, Messages, SubscriptionChanged
from tiflis.relay.workstation_presence import WorkstationPresence

ANY = b'{"type":"ping"}'  # a message that every key in force allows


class Seen(NamedTuple):
    """What a message's edge has read of it: its type, and whether its form is one that limited scopes
    allow."""

    kind: str
    formed: bool


class Kept(Protocol):
    """What a home keeps for devices: held messages, or push subscriptions."""

    def check_keys(self) -> None:
        """Drop what belongs to keys that do not allow it any more."""


class Host(Protocol):
    """The tunnel's home."""

    tunnel_id: str
    presence: WorkstationPresence
    device_registry: DeviceRegistry
    watches: Watches

    @property
    def worker(self) -> KeyHolder: ...
    @property
    def workstation(self) -> Workstation | None: ...
    @property
    def held(self) -> Kept: ...
    @property
    def push(self) -> Kept: ...
    def forward(self, client: Attached, request: bytes, text: bytes | SplicedText) -> None: ...
    def to_device(self, device_id: str, text: bytes) -> None: ...


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

    def from_edge(self, client: Attached, request: bytes, text: bytes, seen: Seen | None = None) -> None:
        """Forward a message of a client behind an edge, if its key allows it now. ``seen``: by the edge."""
        if client.key_id:
            self._from_device(client, request, text, seen)
        else:
            self._home.forward(client, request, text)

    def _from_device(self, client: Attached, request: bytes, text: bytes, seen: Seen | None) -> None:
        entry = self._keys.get(self._home.tunnel_id, client.key_id)
        if entry is None:  # revoked: its socket is being closed
            metrics.count("device_keys_total", "forbidden")
            return
        if seen is None or not (seen.formed or entry.scope in scopes.UNLIMITED):
            found = head.peek(text)
            kind, check = found.type, partial(scopes.check, entry.scope, found, text)
        else:
            kind, check = seen.kind, partial(scopes.check_type, entry.scope, seen.kind)
        try:
            check()
        except Forbidden as problem:
            metrics.count("device_keys_total", "forbidden")
            client.send(messages.error(problem, request))
            self._enter(client.device_id, client.key_id, entry.scope, kind, text, "forbidden")
            return
        if _is_auth(kind):
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

    def allows(self, key_id: str, text: bytes) -> bool:
        """Return whether a device key allows a message now that its device has had held; without a key id it
        came with the workstation's own key."""
        if not key_id:
            return True
        entry = self._keys.get(self._home.tunnel_id, key_id) if self._home.worker.keys else None
        if entry is None:
            return False
        try:
            scopes.check(entry.scope, head.peek(text), text)
        except TunnelError:
            return False
        return True

    @property
    def ready(self) -> bool:
        """Return whether device keys are known: before that none is in force."""
        keys = self._home.worker.keys
        return keys is None or keys.loaded

    def ended(self, key_id: str) -> bool:
        """Return whether a device key is over; False for the workstation's own key, and as long as the keys
        are not known."""
        return bool(key_id) and self.ready and not self.allows(key_id, ANY)

    def manages(self, key_id: str) -> bool:
        """Return whether a device key may manage the tunnel; True for the workstation's own key, and as long
        as the keys are not known."""
        if not key_id or not self.ready:
            return True
        entry = self._keys.get(self._home.tunnel_id, key_id)
        return entry is not None and entry.scope == scopes.Scope.OWNER

    def _own(self) -> str:
        workstation = self._home.workstation
        if workstation is not None:
            self._own_key = workstation.auth_key
        return self._own_key

    def _enter(
        self, device_id: str, key_id: str, scope: str, kind: str, text: bytes | SplicedText, outcome: str
    ) -> None:
        audit = self._home.worker.audit
        if audit is not None and is_command(kind):
            author = Author(self._home.tunnel_id, device_id, key_id, scope)
            audit.command(author, kind, text[:SESSION_LOOKED_AT], outcome, len(text))

    async def call(self, call: Call) -> dict[str, Any]:
        """Run a watch's call, with the workstation's key in place of a device key. Raise InvalidAuthKey,
        Forbidden, and what the watches raise."""
        if isinstance(call, SubscriptionChanged):
            return await self._home.watches.call(call)  # its key has been compared; it sends nothing
        tunnel_id, device_id = self._home.tunnel_id, call.device_id
        entry = self._keys.admit(tunnel_id, call.auth_key, device_id) if key_id_of(call.auth_key) else None
        audit = self._home.worker.audit
        if not isinstance(call, Command) or (entry is None and audit is None):
            answer = await self._call(call, entry)
            if entry is not None and isinstance(call, Messages):
                self._keys.admit(tunnel_id, call.auth_key, device_id)  # it may have ended during a long poll
            return answer
        outcome, text = "relayed", call.text
        found = await reading.head(text)
        scope = entry.scope if entry else scopes.Scope.OWNER.value
        try:
            if entry is not None:
                await reading.check(scope, found, text)
                now = self._keys.admit(tunnel_id, call.auth_key, device_id)
                if now is None or now.scope != scope:
                    raise Forbidden  # changed while a large message was read
                if _is_auth(found.type):
                    own = messages.auth_of(self._own(), device_id, head.echoable(found.id))
                    call = replace(call, text=own)
            return await self._call(call, entry)
        except Forbidden:
            metrics.count("device_keys_total", "forbidden")
            outcome = "forbidden"
            raise
        except TunnelError:
            outcome = "undelivered"
            raise
        finally:
            if audit is not None and is_command(found.type):
                author = Author(tunnel_id, device_id, entry.key_id if entry else "", scope)
                audit.command(author, found.type, text, outcome)

    async def _call(self, call: Call, entry: DeviceKey | None) -> dict[str, Any]:
        if entry is not None:
            call = replace(call, auth_key=self._own())
            if isinstance(call, Connect | Command | Messages):
                call = replace(call, key_id=entry.key_id)
        return await self._home.watches.call(call)

    def outcome(
        self, device_id: str, key_id: str, text: bytes | SplicedText, outcome: str, kind: str = ""
    ) -> None:
        """Enter in the audit what has become of a message that was kept for the workstation. ``kind``: its
        type, if that is known: a large message is not read again for it."""
        if self._home.worker.audit is not None:
            self._enter(device_id, key_id, "", kind or _kind_of(text), text, outcome)

    def revoke(self, device_id: str) -> None:
        """Drop what a device whose key is revoked has sent and the workstation has not received, and all that
        is kept for it."""
        self._home.presence.queue.drop(device_id)
        self._home.held.check_keys()
        self._home.push.check_keys()

    def limit(self, entry: DeviceKey) -> None:
        """Return to a device what waits for the workstation and its key does not allow any more."""
        queue, device_id = self._home.presence.queue, entry.device_id
        for one in queue.drop(device_id, unless=lambda text: self._still_allows(entry, text)):
            metrics.count("device_keys_total", "forbidden")
            self._home.to_device(device_id, messages.error(Forbidden(), one.request))
            kind = one.kind or _kind_of(one.text)
            self._enter(device_id, entry.key_id, entry.scope, kind, one.text, "forbidden")
        self._home.held.check_keys()
        self._home.push.check_keys()

    def _still_allows(self, entry: DeviceKey, text: bytes) -> bool:
        """Return whether a key whose scope has changed allows a message that waits. A large one is not read
        for that: a limited key does not allow it."""
        return entry.scope in scopes.UNLIMITED or (len(text) <= LARGE and self.allows(entry.key_id, text))

    def unrevoked(self, messages: list[QueuedMessage]) -> list[QueuedMessage]:
        """Return the last home's messages without those of devices that have been revoked meanwhile."""
        keys, tunnel_id = self._home.worker.keys, self._home.tunnel_id
        return [one for one in messages if keys is None or not keys.revoked_lately(tunnel_id, one.device_id)]


def _is_auth(kind: str) -> bool:
    return states.act(states.Role.CLIENT, kind) is states.Act.CHECK_AUTH


def _kind_of(text: bytes | SplicedText) -> str:
    """Return a message's type; of a large one only what is known of it, else ``?``, as the audit has it."""
    if isinstance(text, SplicedText):
        return text.kind
    return head.peek(text).type if len(text) <= LARGE else "?"
