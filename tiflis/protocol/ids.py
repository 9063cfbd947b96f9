"""Which identifiers are acceptable, and what new ones look like."""

import re

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TUNNEL_ID_LENGTH = 12  # 72 bits of chance: guessing one is hopeless even with millions in use
_LETTERS = 4 * ALPHABET.encode()  # a letter for each byte
_TUNNEL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def is_tunnel_id(text: object) -> bool:
    """Return whether ``text`` may be a tunnel's id (protocol, section 2); also safe inside a bus subject."""
    return isinstance(text, str) and _TUNNEL_ID.match(text) is not None


def tunnel_id_from(chance: bytes) -> str:
    """Return a new tunnel id out of ``TUNNEL_ID_LENGTH`` bytes of a cryptographic source."""
    return chance[:TUNNEL_ID_LENGTH].translate(_LETTERS).decode()


MAX_DEVICE_ID = 512  # characters; clients use UUIDs


def is_device_id(text: str) -> bool:
    """Return whether ``text`` may name a device: anything short without control characters."""
    return 0 < len(text) <= MAX_DEVICE_ID and text.isprintable()
