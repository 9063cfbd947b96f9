"""The device API over HTTP: minting, listing, changing and revoking device keys."""

from collections.abc import Coroutine, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from sanic import Blueprint, HTTPResponse, Request

from tiflis.bus.devices.records import DeviceKey
from tiflis.clock import running_clock
from tiflis.protocol.device_keys import key_id_of, shown_code
from tiflis.protocol.errors import BodyTimeout, Forbidden, InvalidAuthKey, TooLarge
from tiflis.protocol.scopes import Scope
from tiflis.relay.auth.device_keys import DeviceKeys, Minted
from tiflis.relay.devices.audit import moment, recorded
from tiflis.web import device_parameters as parameters
from tiflis.web.address import Addresses
from tiflis.web.api_errors import answered
from tiflis.web.pairing import pairing
from tiflis.web.replies import reply
from tiflis.web.sanic_internals import body_stream

PREFIX = "/api/v1"
BODY_LIMIT = 16 * 1024  # bytes
BODY_READ = 4 * BODY_LIMIT  # bytes of too large a body that are read, so that the answer arrives
BODY_SECONDS = 10.0
PROXY_NAME = 256  # characters of the value of AUTH_HEADER that are kept

R = TypeVar("R")


class Present(NamedTuple):
    """The devices of a tunnel that are connected now, on all hosts."""

    keys: frozenset[str]
    owners: tuple[str, ...]  # devices that use the workstation's own key


class Manager(NamedTuple):
    """The caller: a device with its key's scope. ``by``: its name at a trusted proxy."""

    tunnel_id: str
    device_id: str
    key_id: str  # empty for the workstation's own key
    scope: Scope
    by: str = ""


class DeviceGate(Protocol):
    """The worker as these handlers use it; all raise errors of ``tiflis.protocol.errors``."""

    @property
    def keys(self) -> DeviceKeys:
        """Return the device keys. Raise Starting."""

    async def authorise(
        self, tunnel_id: str, auth_keys: list[str], address: str, device_id: str, kind: str = "watch"
    ) -> str:
        """Return the right key. Raise for no such tunnel (404), a wrong key (401 or 429) and a directory that
        is not complete yet (503)."""

    def admit_code(self, code: str, address: str) -> DeviceKey:
        """Return the key behind a human code, compared as any other key."""

    async def present(self, tunnel_id: str) -> Present: ...
    async def audit(self, tunnel_id: str, since: int) -> dict[str, Any]:
        """Return entries of the audit after a position. Raise SendFailed."""

    def record(self, caller: Manager, kind: str, about: str = "") -> None:
        """Enter a change in the audit."""


def device_routes(
    gate: DeviceGate, addresses: Addresses, ws_path: str, auth_header: str | None = None
) -> Blueprint:
    """Return the routes. ``auth_header``: the header that a trusted proxy must add to minting and
    revoking."""
    routes = Blueprint("devices", url_prefix=PREFIX)
    api = _DeviceApi(gate, addresses, ws_path, auth_header)
    routes.add_route(answered(api.list), "/devices", methods=["GET", "HEAD"], name="list")
    routes.add_route(answered(api.mint), "/devices", methods=["POST"], name="mint", stream=True)
    routes.add_route(answered(api.redeem), "/devices/redeem", methods=["POST"], name="redeem", stream=True)
    one = "/devices/<key_id:str>"
    routes.add_route(answered(api.change), one, methods=["PATCH"], name="change", stream=True)
    routes.add_route(answered(api.revoke), one, methods=["DELETE"], name="revoke")
    routes.add_route(answered(api.audit), "/audit", methods=["GET", "HEAD"], name="audit")
    routes.add_route(answered(api.change_tunnel), "/tunnel", methods=["PATCH"], name="tunnel", stream=True)
    return routes


class _DeviceApi:
    def __init__(self, gate: DeviceGate, addresses: Addresses, ws_path: str, auth_header: str | None) -> None:
        self._gate, self._addresses = gate, addresses
        self._ws_path, self._auth_header = ws_path, auth_header

    async def list(self, request: Request) -> HTTPResponse:
        caller = await self._caller(request)
        keys = self._gate.keys
        present = await self._gate.present(caller.tunnel_id)
        owner = caller.scope is Scope.OWNER
        entries = [one for one in keys.all(caller.tunnel_id) if owner or one.key_id == caller.key_id]
        owners = dict.fromkeys([*keys.known_devices(caller.tunnel_id), *present.owners]) if owner else {}
        return reply(
            {
                "you": {"scope": caller.scope} | ({"key_id": caller.key_id} if caller.key_id else {}),
                "owner_key": keys.owner_key(caller.tunnel_id),
                "devices": [_shown(one, present.keys, caller, keys.ended(one)) for one in entries],
                "owner_devices": [_owner_device(one, present.owners, caller) for one in owners],
            }
        )

    async def mint(self, request: Request) -> HTTPResponse:
        caller = await self._manager(request)
        wanted = parameters.read_mint(await self._body(request, caller))
        minted = await self._gate.keys.mint(
            caller.tunnel_id, wanted.name, wanted.scope, wanted.expires_in or 0.0, caller.key_id
        )
        entry = minted.entry
        self._gate.record(caller, "device.minted", entry.key_id)
        device = _shown(entry, (), caller, False)
        about = {"device": device, "code": shown_code(minted.code), "until": _time(entry.until)}
        return reply(about | self._pairing(request, minted), 201)

    async def redeem(self, request: Request) -> HTTPResponse:
        code = parameters.read_human_code(await read_body(request))
        entry = self._gate.admit_code(code, self._addresses.client(request))
        minted = await self._gate.keys.redeem(entry)
        entry = minted.entry
        redeemer = Manager(entry.tunnel_id, "", "", Scope(entry.scope))
        self._gate.record(redeemer, "device.redeemed", entry.key_id)
        about = {"key_id": entry.key_id, "name": entry.name, "scope": entry.scope}
        return reply(about | {"until": _time(entry.until)} | self._pairing(request, minted))

    async def change(self, request: Request, key_id: str) -> HTTPResponse:
        caller = await self._manager(request)
        changes = parameters.read_change(await self._body(request, caller))
        change = self._gate.keys.change(caller.tunnel_id, parameters.read_key_id(key_id), **changes)
        entry = await self._recorded(change, caller, "device.changed", key_id)
        present = await self._gate.present(caller.tunnel_id)
        return reply(_shown(entry, present.keys, caller, self._gate.keys.ended(entry)))

    async def revoke(self, request: Request, key_id: str) -> HTTPResponse:
        caller = await self._caller(request)
        if caller.key_id != key_id:  # a device may give up its own key
            caller = self._check_manager(request, caller)
        change = self._gate.keys.revoke(caller.tunnel_id, parameters.read_key_id(key_id))
        found = await self._recorded(change, caller, "device.revoked", key_id)
        return reply({"success": found})

    async def change_tunnel(self, request: Request) -> HTTPResponse:
        caller = await self._manager(request)
        wanted = parameters.read_owner_key(await self._body(request, caller))
        present = await self._gate.present(caller.tunnel_id)
        self._check_still(caller)
        mine = [] if caller.key_id else [caller.device_id]
        change = self._gate.keys.set_owner_key(caller.tunnel_id, wanted, [*present.owners, *mine])
        await self._recorded(change, caller, "tunnel.changed", f"owner_key {wanted}")
        return reply({"owner_key": wanted})

    async def audit(self, request: Request) -> HTTPResponse:
        caller = await self._caller(request)
        if caller.scope is not Scope.OWNER:
            raise Forbidden
        since = parameters.read_since(request.args.get("since", "0"))
        return reply(await self._gate.audit(caller.tunnel_id, since))

    async def _recorded(self, change: Coroutine[Any, Any, R], caller: Manager, kind: str, about: str) -> R:
        return await recorded(change, lambda: self._gate.record(caller, kind, about))

    async def _manager(self, request: Request) -> Manager:
        return self._check_manager(request, await self._caller(request))

    def _check_manager(self, request: Request, caller: Manager) -> Manager:
        """Return a caller that may manage devices, with its name at the proxy. Raise Forbidden."""
        if caller.scope is not Scope.OWNER:
            raise Forbidden
        if self._auth_header is None:
            return caller
        by = self._addresses.from_proxy(request, self._auth_header)
        if not by:
            raise Forbidden("Sign in at the proxy in front of this server: its header is missing")
        return caller._replace(by=by[:PROXY_NAME])

    async def _body(self, request: Request, caller: Manager) -> bytes:
        """Return the body of a caller who may still manage devices when it has come. Raise TooLarge,
        BodyTimeout, InvalidAuthKey, Forbidden."""
        body = await read_body(request)
        self._check_still(caller)
        return body

    def _check_still(self, caller: Manager) -> None:
        """Raise InvalidAuthKey or Forbidden if a caller's key was revoked or limited during its call."""
        if caller.key_id:
            entry = self._gate.keys.get(caller.tunnel_id, caller.key_id)
            if entry is None:
                raise InvalidAuthKey
            if entry.scope != Scope.OWNER:
                raise Forbidden

    async def _caller(self, request: Request) -> Manager:
        tunnel_id, auth_keys, device_id = parameters.credentials(request.headers)
        keys = self._gate.keys
        right = await self._gate.authorise(
            tunnel_id, auth_keys, self._addresses.client(request), device_id, "api"
        )
        entry = keys.admit(tunnel_id, right, device_id)
        scope = Scope(entry.scope) if entry else Scope.OWNER
        return Manager(tunnel_id, device_id, key_id_of(right), scope)

    def _pairing(self, request: Request, minted: Minted) -> dict[str, Any]:
        url = self._addresses.public_url(request)
        return pairing(minted.entry.tunnel_id, url, self._ws_path, minted.key)


async def read_body(request: Request) -> bytes:
    """Return a small body. Raise TooLarge, BodyTimeout."""
    stream, parts, size = body_stream(request, BODY_READ), [], 0
    try:
        async with running_clock().timeout(BODY_SECONDS):
            while (part := await stream.read()) is not None:
                parts.append(part)
                size += len(part)
    except TimeoutError:
        raise BodyTimeout from None
    if size > BODY_LIMIT:
        raise TooLarge
    return b"".join(parts)


def _shown(entry: DeviceKey, present: Iterable[str], caller: Manager, ended: bool) -> dict[str, Any]:
    """Return a key as JSON for its owner, without unknown fields."""
    more = {
        "device_id": entry.device_id,
        "kind": entry.kind,
        "until": "" if entry.device_id else _time(entry.until),
        "expires": _time(entry.expires),
        "last_seen": _time(entry.seen),
        "address": entry.address,
    }
    return {
        "key_id": entry.key_id,
        "name": entry.name,
        "scope": entry.scope,
        "state": "expired" if ended else "active" if entry.device_id else "waiting",
        "created": _time(entry.created),
        "connected": entry.key_id in present,
        "this": entry.key_id == caller.key_id,
        **{name: value for name, value in more.items() if value},
    }


def _owner_device(device_id: str, present: Iterable[str], caller: Manager) -> dict[str, Any]:
    mine = not caller.key_id and caller.device_id == device_id
    return {"device_id": device_id, "connected": device_id in present or mine, "this": mine}


def _time(seconds: float) -> str:
    """Return a time as an ISO 8601 text; empty for 0."""
    return moment(seconds) if seconds else ""
