"""How the text of a setting is read: sizes, durations, origins, paths, and what surrounds it by mistake."""

import ipaddress
import re
from functools import lru_cache
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB
DAY = 24 * 3600.0

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)", re.IGNORECASE)
_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": KIB,
    "mib": MIB,
    "gib": 1024 * MIB,
    "k": KIB,  # as Docker and systemd read a single letter
    "m": MIB,
    "g": 1024 * MIB,
}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)\s*(ms|s|sec|m|min|h|d)?", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": DAY}
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/:@?#\[\]]+)(?::(\d{1,5}))?/*")
_NAME = re.compile(r"[a-z0-9_.-]+")
_AUTHORITY = re.compile(
    r"(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*))(:(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
AUTO = "auto"
MOST_WORKERS = 512  # more processes than any machine has use for: probably a typing error
_QUOTES = "\"'"


def trimmed(text: str) -> str:
    """Return the text without surrounding white space and without one pair of quotes around all of it.

    A secret read from a file ends in a newline; ``docker --env-file`` passes quotes on as they are written.
    """
    text = text.strip()
    return text[1:-1].strip() if is_quoted(text) else text


def is_quoted(text: str) -> bool:
    text = text.strip()
    return len(text) >= 2 and text[0] in _QUOTES and text.find(text[0], 1) == len(text) - 1


def size(value: object) -> object:
    """Return the bytes of ``52428800``, ``50MiB``, ``50M`` (the same) or ``50MB``; numbers pass. Raise
    ValueError."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None or ("." in match[1] and unit == 1):
        raise ValueError("must be a size such as 50MiB")
    return round(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit


def shown_size(size: int) -> str:
    """Return a size as a user would write it, such as ``16MiB``."""
    return f"{size // MIB}MiB" if size % MIB == 0 else f"{size // KIB}KiB" if size % KIB == 0 else str(size)


def duration(value: object) -> object:
    """Return the seconds of ``15``, ``0.5s``, ``5m`` or ``1h``; numbers pass. Raise ValueError."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be a duration such as 15s, 5m or 1h")
    return float(match[1]) * _SECONDS[(match[2] or "s").lower()]


def worker_count(value: object) -> int | str:
    """Return a number of workers, or ``auto``. Raise ValueError."""
    text = str(value).strip().lower()
    if text == AUTO:
        return AUTO
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise ValueError(f"must be auto, or a number of processes from 1 to {MOST_WORKERS}")
    return int(text)


def origin(text: str) -> str | None:
    """Return an origin in one spelling (lower case, no default port, no slash); None unless it is one."""
    text = text.strip().lower()
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return text if text == "null" else None
    scheme, host, port = match[1], match[2], int(match[3]) if match[3] else None
    try:
        if host.startswith("["):
            host = f"[{ipaddress.IPv6Address(host[1:-1])}]"  # as a browser writes it
        elif not _NAME.fullmatch(host := host if host.isascii() else host.encode("idna").decode()):
            return None
    except ValueError:  # UnicodeError is one
        return None
    if port == 0 or (port or 1) > 65535:
        return None
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{port}"


@lru_cache(maxsize=256)  # most peers use one name
def is_authority(text: str) -> bool:
    """Return whether every URL parser takes ``host`` or ``host:port``: a name that ends in a number, for one,
    must be an address."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not 0 < int(match["port"] or 1) < 65536:
        return False
    name = match["six"] or match["name"]
    if match["six"] or name.rstrip(".").rpartition(".")[2].isdigit():
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
    return True


def path(text: str) -> Path:
    """Return the path in a text, with the home folder in place of ``~``, which no shell has replaced in a
    file of settings. Raise ValueError."""
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, and that user has no home folder here") from None


def port(text: str) -> int:
    """Return the number of a TCP port; 0 stands for any. Raise ValueError."""
    number = int(text)
    if not 0 <= number < 65536:
        raise ValueError("must be a number up to 65535")
    return number
