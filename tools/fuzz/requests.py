"""What the HTTP side reads of a request, bodies, queries and headers, is taken or refused, and no more."""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from sanic import Request, Sanic
from sanic.compat import Header

from tests.web.served import settings
from tiflis.config import Settings
from tiflis.protocol import states
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.ids import is_device_id, is_tunnel_id
from tiflis.web.address import Addresses
from tiflis.web.static_files import SinglePage, accepted_codings, make_file
from tiflis.web.upgrade import Endpoint, Refused
from tiflis.web.watch_parameters import Credentials, Query, check_message, read_body, read_poll, read_query
from tools.fuzz.heads import expected
from tools.fuzz.script import Script

WAIT_LIMIT = 25.0
NAMES = (
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "authorization",
    "x-tunnel-id",
    "x-device-id",
    "upgrade",
    "connection",
    "sec-websocket-version",
    "sec-websocket-key",
    "origin",
)
WORDS = (
    "tunnel_id=",
    "auth_key=",
    "device_id=",
    "&since=",
    "&ack=1",
    "&wait=2.5",
    "%2B",
    "%ff",
    "Bearer ",
    "websocket",
    "Upgrade",
    "dGhlIHNhbXBsZSBub25jZQ==",
    "13",
    "[::1]",
    "10.0.0.1",
    "https",
    '"tunnel_id"',
    '"auth_key"',
    '"device_id"',
    '"message"',
    "\\ud800",
)


_WHO = b'{"tunnel_id":"t","auth_key":"0123456789abcdef","device_id":"d","message":{"type":"x"}}'
_QUERY = b"tunnel_id=t&auth_key=0123%2B&device_id=d&since=1&ack=2&wait=2.5"
SEEDS = (
    b"\0" + _WHO,
    b"\0" + _WHO.replace(b'"t"', b'"t>"'),
    b"\0" + _WHO.replace(b'"x"', b'"pong"'),
    b"\1\0\0\0" + _QUERY,
    b"\1\0\0\0" + _QUERY.replace(b"=t&", b"=t*&"),
    b"\2\1\0\1\5x, ::1\0\5[::1]\2\5https",
    b"\2\0\0"
    + b"".join(
        bytes((at, len(word))) + word
        for at, word in ((7, b"websocket"), (8, b"a, Upgrade"), (9, b"13"), (10, b"dGhlIHNhbXBsZSBub25jZQ=="))
    ),
    b"\3\4gzipassets/a.js",
)


def requests(data: bytes) -> None:
    """The target."""
    script = Script(data)
    kind = script.byte() % 4
    if kind == 0:
        _body(script.rest())
    elif kind == 1:
        _query(script)
    elif kind == 2:
        _headers(script)
    else:
        _static(script)


def _sound(credentials: Credentials) -> None:
    assert is_tunnel_id(credentials.tunnel_id)
    assert is_device_id(credentials.device_id)
    assert any(credentials.auth_keys)
    for text in (*credentials.auth_keys, credentials.device_id):
        text.encode()


def _body(body: bytes) -> None:
    try:
        credentials, message = read_body(body)
        _sound(credentials)
        check_message(message, credentials.device_id)
    except InvalidPayload as refused:
        str(refused).encode()
        return
    assert message in body
    found = expected(message.decode())
    assert found is not None
    assert states.client_may_send(found["type"].encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _query(script: Script) -> None:
    headers = {
        name: script.piece().decode("latin-1") for name in ("authorization", "x-tunnel-id", "x-device-id")
    }
    try:
        query = Query(script.rest().decode("latin-1"))
        poll = read_poll(query, WAIT_LIMIT)
        assert poll.since >= 0
        assert poll.ack >= 0
        assert 0 <= poll.wait <= WAIT_LIMIT
        _sound(read_query(query, headers))
    except InvalidPayload as refused:
        str(refused).encode()


@cache
def _settings(trust: bool) -> Settings:
    return settings(trust_proxy=trust, allowed_origins=("https://a.example",))


@cache
def _app() -> Sanic[Any, Any]:
    return Sanic("fuzz", configure_logging=False)


class Transport:
    """As much of a connection as addresses need."""

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.7", 5) if name == "peername" else ("::1", 3001)


class Sockets:
    """Where an accepted handshake would go."""

    draining = False


def _headers(script: Script) -> None:
    trust, method = bool(script.byte() & 1), script.choice(("GET", "HEAD"))
    fields = []
    while script.more:
        name = script.choice(NAMES)
        fields.append((name, script.piece().decode("utf-8", "surrogateescape")))
    request = Request(b"/ws", Header(fields), "1.1", method, cast(Any, Transport()), _app())
    addresses = Addresses(_settings(trust))
    ipaddress.ip_address(addresses.client(request))
    url = urlsplit(addresses.public_url(request))
    assert url.scheme in ("ws", "wss")
    assert url.hostname
    assert url.port is None or 0 < url.port < 65536
    endpoint = Endpoint(_settings(trust), cast(Any, Sockets()), cast(Any, None))
    try:
        endpoint._check(request).encode("ascii")
    except Refused as refused:
        assert refused.response.status in (400, 403, 405, 426)


@cache
def _page() -> SinglePage:
    files = {name: make_file(b"<head></head>", name) for name in ("index.html", "assets/a.js")}
    return SinglePage(files)


def _static(script: Script) -> None:
    accepted_codings(script.piece().decode("latin-1"))
    found = _page().find(script.rest().decode("latin-1"))
    assert found is None or b"head" in found.body
