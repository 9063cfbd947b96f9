"""Addresses of requests: that of the client, and that by which it reached the server, behind proxies or
not."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from tiflis.config import Proxy, Settings
from tiflis.values import is_authority

UNIX = "unix"  # the address of all peers that come over a Unix socket, and its name in ``TRUST_PROXY``
LONGEST = 128  # of an address with port, zone and space around it
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){1,8}")  # a path that a proxy strips


class Asked(Protocol):
    """A request, as far as addresses are read from it."""

    headers: Any
    transport: Any


class Addresses:
    """The addresses of requests, read as far as ``TRUST_PROXY`` allows (protocol, section 7)."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = _trust(settings.trust_proxy)
        self._public_base_url = settings.public_base_url
        self._ws_path = settings.ws_path

    def client(self, request: Asked) -> str:
        """Return the peer's address or, behind proxies, the last untrusted one of ``X-Forwarded-For``."""
        address = peer(request)
        if not self._trusted(address):
            return address
        # Several headers of one name are one list, in their order (RFC 9110, 5.3).
        forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
        for hop in reversed(forwarded.split(",")):
            found = _address(hop)
            if found is None:
                return address
            address = found
            if not self._trusted(address) or self._trusted is _trust_all:
                return address
        return address

    def from_proxy(self, request: Asked, name: str) -> str:
        """Return the value of a header from a trusted proxy; empty from any other peer, or if the header is
        repeated: one of the two may be the client's."""
        values = request.headers.getall(name, []) if self._trusted(peer(request)) else []
        return values[0].strip() if len(values) == 1 else ""

    def public_url(self, request: Asked) -> str:
        """Return the WebSocket endpoint's URL as clients see it. It is always a valid URL."""
        base = self._public_base_url or self._seen_base(request)
        return base + self._ws_path

    def _seen_base(self, request: Asked) -> str:
        scheme, host, prefix = "ws", request.headers.get("host", ""), ""
        if self._trusted is not _trust_none and self._trusted(peer(request)):
            proto = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
            scheme = "wss" if proto in ("https", "wss") else "ws"
            host = request.headers.get("x-forwarded-host", host).split(",")[0].strip()
            prefix = request.headers.get("x-forwarded-prefix", "").strip().rstrip("/")
        if is_authority(host):
            return f"{scheme}://{host}{prefix if _PREFIX.fullmatch(prefix) else ''}"
        local = request.transport.get_extra_info("sockname") if request.transport else None
        if not isinstance(local, tuple):  # the path of a Unix socket
            return f"{scheme}://localhost"
        return f"{scheme}://{_bracketed(local[0])}:{local[1]}"


def peer(request: Asked) -> str:
    """Return the address at the other end of the connection; ``UNIX`` over a Unix socket."""
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(name, tuple):
        return _address(str(name[0])) or ""
    is_unix = transport is not None and isinstance(transport.get_extra_info("sockname"), str | bytes)
    return UNIX if is_unix else ""  # its own name is a path


def _trust_all(_: str) -> bool:
    return True


def _trust_none(_: str) -> bool:
    return False


def _trust(setting: bool | tuple[Proxy, ...]) -> Callable[[str], bool]:
    if isinstance(setting, bool):
        return _trust_all if setting else _trust_none

    networks = [proxy for proxy in setting if not isinstance(proxy, str)]

    def in_networks(address: str) -> bool:
        if address == UNIX:
            return UNIX in setting
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in networks if network.version == found.version)

    return in_networks


def _address(text: str) -> str | None:
    """Return an address without brackets, port and zone, IPv4 within IPv6 as IPv4; None for no address."""
    return _plain(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=4096)  # after an outage thousands come at once, most of them through one proxy
def _plain(text: str) -> str | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
