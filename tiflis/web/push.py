"""The push API over HTTP: the server's public key, and the push subscriptions of devices."""

import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sanic import Blueprint, HTTPResponse, Request

from tiflis.bus.directory.bucket import WrongRevision
from tiflis.protocol.device_keys import key_id_of
from tiflis.protocol.errors import InvalidPayload, PushOff, SendFailed
from tiflis.relay.push import encryption
from tiflis.relay.push.delivery import Refused, check
from tiflis.relay.push.events import KINDS, Event
from tiflis.relay.push.records import Quiet, Subscription
from tiflis.relay.push.sender import PushSender
from tiflis.relay.push.store import Unavailable
from tiflis.relay.push.texts import LANGUAGES, TEST
from tiflis.relay.watch.calls import Call, SubscriptionChanged
from tiflis.web.api_errors import Handler, answered
from tiflis.web.device_parameters import credentials
from tiflis.web.devices import read_body
from tiflis.web.replies import reply

PREFIX = "/api/v1/push"
_PAGE = re.compile(r"https?://[!-~]{1,1024}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

Text = Annotated[str, msgspec.Meta(max_length=2048)]
Names = Annotated[list[Annotated[str, msgspec.Meta(max_length=128)]], msgspec.Meta(max_length=256)]


class _Keys(msgspec.Struct):
    p256dh: Text
    auth: Text


class _Given(msgspec.Struct):
    endpoint: Text
    keys: _Keys


class _Body(msgspec.Struct):
    subscription: _Given
    kinds: Names = msgspec.field(default_factory=lambda: list(KINDS))
    muted: Names = []
    quiet: Quiet | None = None
    excerpt: bool = False
    language: Text = "en"
    page: Text = ""


_body = msgspec.json.Decoder(_Body)


class Caller(NamedTuple):
    tunnel_id: str
    device_id: str
    auth_key: str


class PushGate(Protocol):
    """The worker as these handlers use it; all raise errors of ``tiflis.protocol.errors``."""

    @property
    def push(self) -> PushSender | None:
        """Return the sender, None if push is off."""

    async def authorise(
        self, tunnel_id: str, auth_keys: list[str], address: str, device_id: str, kind: str = "watch"
    ) -> str:
        """Return the right key. Raise for no such tunnel (404), a wrong key (401 or 429) and a directory that
        is not complete yet (503)."""

    async def call(self, tunnel_id: str, call: Call) -> dict[str, Any]:
        """Run a call at the tunnel's home."""


def push_routes(gate: PushGate, address: Callable[[Request], str]) -> Blueprint:
    """Return the routes below PREFIX. ``address`` returns a client's address, behind trusted proxies."""
    routes = Blueprint("push", url_prefix=PREFIX)
    api = _PushApi(gate, address)
    routes.add_route(stored(api.key), "/key", methods=["GET", "HEAD"], name="key")
    routes.add_route(stored(api.subscribe), "/subscription", methods=["POST"], name="subscribe", stream=True)
    routes.add_route(stored(api.unsubscribe), "/subscription", methods=["DELETE"], name="unsubscribe")
    routes.add_route(stored(api.test), "/test", methods=["POST"], name="test")
    return routes


def sender_of(gate: PushGate) -> PushSender:
    """Return the worker's sender. Raise PushOff."""
    if gate.push is None:
        raise PushOff
    return gate.push


def stored(handler: Handler) -> Handler:
    """Return the handler wrapped so that a store that does not answer becomes SendFailed."""

    async def answer(request: Request) -> HTTPResponse | None:
        try:
            return await handler(request)
        except (Unavailable, WrongRevision):
            raise SendFailed("Subscriptions cannot be stored; try again") from None

    return answered(answer)


class _PushApi:
    def __init__(self, gate: PushGate, address: Callable[[Request], str]) -> None:
        self._gate, self._address = gate, address

    async def key(self, _request: Request) -> HTTPResponse:
        key = await sender_of(self._gate).store.vapid()
        return reply({"key": encryption.encode64(encryption.point(key))})

    async def subscribe(self, request: Request) -> HTTPResponse:
        sender, caller = sender_of(self._gate), await self._caller(request)
        subscription = _read(await read_body(request), caller, sender)
        await sender.store.replace(caller.tunnel_id, subscription)
        await self._changed(caller)
        return reply({"success": True})

    async def unsubscribe(self, request: Request) -> HTTPResponse:
        sender, caller = sender_of(self._gate), await self._caller(request)
        removed = await sender.store.remove(caller.tunnel_id, caller.device_id)
        await self._changed(caller)
        return reply({"success": removed})

    async def test(self, request: Request) -> HTTPResponse:
        sender, caller = sender_of(self._gate), await self._caller(request)
        found, _ = await sender.store.read(caller.tunnel_id, caller.device_id)
        if found is None:
            return reply({"success": False, "reason": "none"})
        sender.admit_test(caller.tunnel_id)
        outcome = (await sender.send(caller.tunnel_id, found, Event(TEST, "", ""), "")).name
        return reply({"success": outcome == "sent"} | ({} if outcome == "sent" else {"reason": outcome}))

    async def _caller(self, request: Request) -> Caller:
        tunnel_id, auth_keys, device_id = credentials(request.headers)
        key = await self._gate.authorise(tunnel_id, auth_keys, self._address(request), device_id)
        return Caller(tunnel_id, device_id, key)

    async def _changed(self, caller: Caller) -> None:
        await self._gate.call(caller.tunnel_id, SubscriptionChanged(caller.device_id, caller.auth_key))


def _read(text: bytes, caller: Caller, sender: PushSender) -> Subscription:
    """Read a subscription. Raise InvalidPayload."""
    try:
        body = _body.decode(text)
        given = body.subscription
        check(given.endpoint, sender.services)
        receiver, secret = encryption.decode64(given.keys.p256dh), encryption.decode64(given.keys.auth)
        encryption.read_point(receiver)
    except Refused as problem:
        raise InvalidPayload(f"subscription: {problem}") from None
    except (ValueError, RecursionError) as problem:
        plain = isinstance(problem, msgspec.ValidationError)
        raise InvalidPayload(str(problem) if plain else "subscription: its keys are not valid") from None
    if len(secret) != 16:
        raise InvalidPayload("subscription: its auth secret has 16 bytes")
    _check(body)
    return Subscription(
        caller.device_id,
        given.endpoint,
        receiver,
        secret,
        body.kinds,
        body.muted,
        body.quiet,
        body.excerpt,
        body.language,
        body.page,
        key_id_of(caller.auth_key),
    )


def _check(body: _Body) -> None:
    wrong = {
        f"kinds must be of {', '.join(KINDS)}": not set(body.kinds) <= set(KINDS),
        f"language must be one of {', '.join(LANGUAGES)}": body.language not in LANGUAGES,
        "page must be an http or https URL": bool(body.page) and not _PAGE.fullmatch(body.page),
        "quiet must have from and to such as 22:00, and a known zone": not _is_right(body.quiet),
    }
    for rule, broken in wrong.items():
        if broken:
            raise InvalidPayload(rule)


def _is_right(quiet: Quiet | None) -> bool:
    if quiet is None:
        return True
    try:
        ZoneInfo(quiet.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(_TIME.fullmatch(quiet.begin) and _TIME.fullmatch(quiet.end))
