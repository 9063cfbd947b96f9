"""How often a key may be looked at: the counting rule of section 7, over times that the caller keeps."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

IPV6_PREFIX = 64  # bits: what one customer gets, so the other bits are free to vary for an attacker


@lru_cache(maxsize=4096)
def address_group(address: str) -> str:
    """The address under which attempts are counted: IPv4 as it is, IPv6 by its /64, other text unchanged."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((parsed, IPV6_PREFIX), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def within(times: Sequence[float], now: float, window: float) -> list[float]:
    """The looks that still count, oldest first. One from the future belongs to a clock that started over."""
    return sorted(time for time in times if now - window < time <= now)


def wait(times: Sequence[float], now: float, window: float, limit: int) -> float:
    """Seconds until another look is allowed, 0.0 for now; times as from ``within``."""
    return max(0.0, times[-limit] + window - now) if len(times) >= limit else 0.0
