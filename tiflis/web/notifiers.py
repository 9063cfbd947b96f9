"""The notifiers of a tunnel over HTTP: its owner lists, replaces and removes them."""

from collections.abc import Callable
from typing import Annotated, Protocol

import msgspec
from sanic import Blueprint, HTTPResponse, Request

from tiflis.protocol.device_keys import key_id_of
from tiflis.protocol.errors import Forbidden, InvalidPayload
from tiflis.protocol.scopes import Scope
from tiflis.relay.push.channels import parse_for_tunnel
from tiflis.relay.push.records import TUNNEL, Notifiers
from tiflis.relay.push.sender import PushSender
from tiflis.relay.watch.calls import SubscriptionChanged
from tiflis.web.device_parameters import credentials
from tiflis.web.devices import DeviceGate, Manager, read_body
from tiflis.web.push import PREFIX, PushGate, sender_of, stored
from tiflis.web.replies import reply

MOST = 4  # notifiers per tunnel

Address = Annotated[str, msgspec.Meta(max_length=2048)]
Secret = Annotated[str, msgspec.Meta(min_length=16, max_length=256)]


class _Body(msgspec.Struct):
    notifiers: Annotated[list[Address], msgspec.Meta(max_length=MOST)]
    secret: Secret | None = None


_body = msgspec.json.Decoder(_Body)


class NotifierGate(PushGate, DeviceGate, Protocol):
    """The worker as these handlers use it."""


def notifier_routes(gate: NotifierGate, address: Callable[[Request], str]) -> Blueprint:
    """Return the routes. ``address`` returns a client's address, behind trusted proxies."""
    routes, path = Blueprint("notifiers", url_prefix=PREFIX), "/notifiers"
    api = _NotifierApi(gate, address)
    routes.add_route(stored(api.all), path, methods=["GET", "HEAD"], name="list")
    routes.add_route(stored(api.replace), path, methods=["POST"], name="replace", stream=True)
    routes.add_route(stored(api.remove), path, methods=["DELETE"], name="remove")
    return routes


class _NotifierApi:
    def __init__(self, gate: NotifierGate, address: Callable[[Request], str]) -> None:
        self._gate, self._address = gate, address

    async def all(self, request: Request) -> HTTPResponse:
        sender, owner, _ = await self._owner(request)
        found, _ = await sender.store.notifiers(owner.tunnel_id)
        return reply({"notifiers": found.addresses})

    async def replace(self, request: Request) -> HTTPResponse:
        sender, owner, key = await self._owner(request)
        await self._set(sender, owner, key, _read(await read_body(request), sender, owner.key_id))
        return reply({"success": True})

    async def remove(self, request: Request) -> HTTPResponse:
        sender, owner, key = await self._owner(request)
        await self._set(sender, owner, key, Notifiers())
        return reply({"success": True})

    async def _set(self, sender: PushSender, owner: Manager, key: str, wanted: Notifiers) -> None:
        """Store the notifiers, and have the tunnel's home use them."""
        await sender.store.set_notifiers(owner.tunnel_id, wanted)
        self._gate.record(owner, "tunnel.changed", f"notifiers {len(wanted.addresses)}")
        await self._gate.call(owner.tunnel_id, SubscriptionChanged(TUNNEL, key))

    async def _owner(self, request: Request) -> tuple[PushSender, Manager, str]:
        """Return the sender, the caller and its key. Raise PushOff, or Forbidden without the scope owner."""
        sender = sender_of(self._gate)
        tunnel_id, auth_keys, device_id = credentials(request.headers)
        key = await self._gate.authorise(tunnel_id, auth_keys, self._address(request), device_id, "api")
        entry = self._gate.keys.admit(tunnel_id, key, device_id)
        if entry is not None and entry.scope != Scope.OWNER:
            raise Forbidden
        return sender, Manager(tunnel_id, device_id, key_id_of(key), Scope.OWNER), key


def _read(text: bytes, sender: PushSender, key_id: str) -> Notifiers:
    """Read a tunnel's notifiers; `key_id`: of the device key that sets them. Raise InvalidPayload."""
    try:
        body = _body.decode(text)
        for address in body.notifiers:
            parse_for_tunnel(address, body.secret or "", sender.services)
    except (ValueError, RecursionError) as problem:
        raise InvalidPayload(f"notifiers: {problem}") from None
    return Notifiers(body.notifiers, body.secret or "", key_id)
