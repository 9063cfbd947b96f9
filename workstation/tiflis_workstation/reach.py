"""The address under which other devices reach a server that this machine calls by a loopback address."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from tiflis_workstation.pairing import Pairing

CONNECT_SECONDS = 2.0
DEFAULT_PORTS = {"ws": 80, "wss": 443}


def for_other_devices(pairing: Pairing) -> Pairing | None:
    """Return the pairing as other devices need it: with this machine's own address in its network in place of
    loopback. Return None when the server does not listen there.
    """
    url = urlsplit(pairing.url)
    if not is_loopback(url.hostname or ""):
        return pairing
    address, port = lan_address(), url.port or DEFAULT_PORTS.get(url.scheme, 443)
    if address is None or not _listens(address, port):
        return None
    place = f"{address}:{url.port}" if url.port else address
    return replace(pairing, url=urlunsplit((url.scheme, place, url.path, "", "")))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def lan_address() -> str | None:
    """Return this machine's own address in its network, None without one. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of RFC 5737: the route to it is the default one
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if is_loopback(address) or address == "0.0.0.0" else address


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
