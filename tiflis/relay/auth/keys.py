"""Digests of keys, so that neither their value nor their length shows; the limiter compares them."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from tiflis.values import trimmed


class Trial(NamedTuple):
    """A key to be looked at. It is right if the digest of any reading of it is one of those wanted."""

    given: Sequence[bytes]  # one for each way in which the key can be read, see ``Query.keys``
    wanted: Sequence[bytes]


class Keyring:
    """The registration keys, and the digests of auth keys that are made with them.

    A tunnel's auth key is kept only as an HMAC-SHA-256 keyed from a registration key. With several keys
    listed (a rotation) new digests are made with the first, and any of them verifies.
    """

    def __init__(self, registration_keys: Iterable[str]) -> None:
        self._digests = [_hash(trimmed(key)) for key in registration_keys]
        self._signing = {_key_id(digest): _derive(digest, b"tiflis auth key") for digest in self._digests}
        # Of other purposes: a device key and the workstation's own key never have one digest.
        self._of_devices = {
            _key_id(digest): _derive(digest, b"tiflis device key") for digest in self._digests
        }
        self._of_codes = [_derive(digest, b"tiflis human code") for digest in self._digests]

    def seal_keys(self) -> list[bytes]:
        """Return the keys that seal the directory's records, the one to write with first."""
        return [_derive(digest, b"tiflis directory seal") for digest in self._digests]

    def push_keys(self) -> list[bytes]:
        """Return the keys that encrypt push subscriptions, the one to write with first."""
        return [_derive(digest, b"tiflis push") for digest in self._digests]

    def held_keys(self) -> list[bytes]:
        """Return the keys that seal held messages, the one to write with first."""
        return [_derive(digest, b"tiflis held seal") for digest in self._digests]

    def registration(self, api_key: str) -> Trial:
        """Return the trial of a registration key; what `trimmed` leaves out does not count."""
        return Trial([_hash(trimmed(api_key))], self._digests)

    def digest(self, tunnel_id: str, auth_key: str) -> tuple[str, str]:
        """Return the id of the registration key used, and the digest in hex, as the directory keeps them."""
        key_id, signing = next(iter(self._signing.items()))
        return key_id, _sign(signing, tunnel_id, auth_key)

    def auth(self, tunnel_id: str, auth_keys: Sequence[str], key_id: str, digest: str) -> Trial:
        """Return the trial of an auth key, in several readings perhaps, against a digest of the directory."""
        signing = self._signing.get(key_id)
        if signing is None:
            return Trial([], [])
        return Trial([_sign(signing, tunnel_id, key).encode() for key in auth_keys], [digest.encode()])

    def device_digest(self, tunnel_id: str, device_key: str) -> tuple[str, str]:
        """Return the id of the registration key used, and the digest in hex, as the store keeps them."""
        signer, signing = next(iter(self._of_devices.items()))
        return signer, _sign(signing, tunnel_id, device_key)

    def device(self, tunnel_id: str, given: Sequence[str], signer: str, digest: str) -> Trial:
        """Return the trial of a device key against a digest of the store; ``digest`` empty: nothing is
        right."""
        signing = self._of_devices.get(signer) or next(iter(self._of_devices.values()))
        return Trial(
            [_sign(signing, tunnel_id, key).encode() for key in given], [digest.encode()] if digest else []
        )

    def code_digests(self, code: str) -> list[str]:
        """Return the digests of a human code, the one to store first."""
        return [_sign(signing, "", code) for signing in self._of_codes]


def digests(given: Sequence[str], wanted: Sequence[str]) -> Trial:
    """Return the trial of digests against digests."""
    return Trial([text.encode() for text in given], [text.encode() for text in wanted])


def key_id(api_key: str) -> str:
    """Return the name by which the directory knows a registration key; it gives nothing of the key away."""
    return _key_id(_hash(trimmed(api_key)))


def plain(given: str, wanted: str) -> Trial:
    """Return the trial of a key that the server knows itself; space around either does not count."""
    return Trial([_hash(given.strip())], [_hash(wanted.strip())])


def _hash(key: str) -> bytes:
    return hashlib.sha256(_encoded(key)).digest()


def _encoded(key: str) -> bytes:
    """Return the bytes of any text, also of one with lone surrogates."""
    return key.encode(errors="surrogatepass")


@lru_cache(maxsize=64)  # of the registration keys
def _key_id(digest: bytes) -> str:
    return _derive(digest, b"tiflis key id").hex()[:16]


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, purpose, "sha256")


def _sign(key: bytes, tunnel_id: str, auth_key: str) -> str:
    return hmac.digest(key, _encoded(tunnel_id) + b"\0" + _encoded(auth_key.strip()), "sha256").hex()
