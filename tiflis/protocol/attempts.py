"""How often a key may be compared: the counting rule of section 7, over times that the caller keeps."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

IPV6_PREFIX = 64  # bits: what one customer gets, so the other bits are free to vary for an attacker


# Where an IPv6 address holds an IPv4 address in its last 32 bits: NAT64 (RFC 6052) and SIIT (RFC 2765).
_EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96")))
# Of an operator's own NAT64 (RFC 8215): where the IPv4 address stands is not known, so each counts as it is.
_WHOLE = ipaddress.IPv6Network("64:ff9b:1::/48")


@lru_cache(maxsize=4096)
def address_group(address: str) -> str:
    """Return the address under which attempts are counted: IPv4 as it is, also inside IPv6; other IPv6 by its
    /64; other text unchanged."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address) or parsed in _WHOLE:
        return str(parsed)
    return str(_inner(parsed) or ipaddress.IPv6Network((parsed, IPV6_PREFIX), strict=False))


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that stands behind this one, if there is one."""
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def within(times: Sequence[float], now: float, window: float) -> list[float]:
    """Return the attempts that still count, oldest first, without those of a clock that has been set back."""
    return sorted(time for time in times if now - window < time <= now)


def wait(times: Sequence[float], now: float, window: float, limit: int) -> float:
    """Seconds until another look is allowed, 0.0 for now; times as from ``within``."""
    return max(0.0, times[-limit] + window - now) if len(times) >= limit else 0.0
