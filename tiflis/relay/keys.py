"""Comparing keys in constant time, over digests, so that neither their value nor their length shows."""

import hashlib
import hmac
from collections.abc import Iterable

from tiflis.values import trimmed


class Keyring:
    """The registration keys, and the digests of auth keys that are made with them.

    A tunnel's auth key is kept only as an HMAC-SHA-256 keyed from a registration key. With several keys
    listed (a rotation) new digests are made with the first, and any of them verifies.
    """

    def __init__(self, registration_keys: Iterable[str]) -> None:
        self._digests = [hashlib.sha256(trimmed(key).encode()).digest() for key in registration_keys]
        self._signing = [
            (_derive(digest, b"tiflis key id").hex()[:16], _derive(digest, b"tiflis auth key"))
            for digest in self._digests
        ]

    def registers(self, api_key: str) -> bool:
        """Whether this is one of the registration keys; what `trimmed` leaves out does not count."""
        digest = hashlib.sha256(trimmed(api_key).encode(errors="replace")).digest()
        # All are compared: which one matched, or that an early one did, must not show.
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0

    def digest(self, tunnel_id: str, auth_key: str) -> tuple[str, str]:
        """The id of the registration key used, and the digest in hex, as the directory keeps them."""
        key_id, signing = self._signing[0]
        return key_id, _sign(signing, tunnel_id, auth_key)

    def matches(self, tunnel_id: str, auth_key: str, key_id: str, digest: str) -> bool:
        """Whether ``auth_key`` is the one that ``digest`` was made from."""
        signing = dict(self._signing).get(key_id)
        if signing is None:
            return False
        return hmac.compare_digest(_sign(signing, tunnel_id, auth_key), digest)


def same_key(one: str, other: str) -> bool:
    """Whether two auth keys are equal; space around them does not count."""
    return hmac.compare_digest(_hash(one), _hash(other))


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.strip().encode(errors="replace")).digest()


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, purpose, "sha256")


def _sign(key: bytes, tunnel_id: str, auth_key: str) -> str:
    return hmac.digest(
        key, tunnel_id.encode(errors="replace") + b"\0" + auth_key.strip().encode(errors="replace"), "sha256"
    ).hex()
