"""Seals on the directory's records, which only holders of the registration key can make.

A record is a JSON object; its seal is its last member, an HMAC over all bytes before it and the record's key.
So code that knows no seals reads sealed records, and fields that are added later are covered too.
"""

import hmac
import json
import re
from collections.abc import Sequence
from enum import Enum, auto

from tiflis.protocol.comparison import equal

MARKER = "sealed" + "-" * 60
"""The key of the record that says since when all records are sealed; longer than any tunnel's id."""

SEAL_BYTES = 32
_FIELD = b"\xa4seal\xc4" + bytes((SEAL_BYTES,))  # in msgpack: the name, and the length of what follows
_SEAL = re.compile(rb',"seal":"([0-9a-f]{64})"\}\Z')


class Verdict(Enum):
    """The result of checking a record's seal."""

    GENUINE = auto()
    UNSEALED = auto()
    FORGED = auto()


class Seals:
    """Seals with the first key, and accepts the seal of any; without keys nothing is sealed or checked."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = list(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def close(self, key: str, value: bytes) -> bytes:
        """Return the JSON object ``value``, which has members, with its seal."""
        if not self._keys:
            return value
        return value[:-1] + b',"seal":"%s"}' % _sign(self._keys[0], key, value).encode()

    def check(self, key: str, value: bytes) -> Verdict:
        """Judge a record as it is stored."""
        found = _SEAL.search(value)
        if not self._keys:
            return Verdict.GENUINE
        if found is None:
            return Verdict.UNSEALED
        seal, value = found[1], value[: found.start()] + b"}"
        genuine = any(equal(_sign(own, key, value).encode(), seal) for own in self._keys)
        return Verdict.GENUINE if genuine else Verdict.FORGED

    def marker(self, revision: int) -> bytes:
        """Return the marker's record: what is unsealed and newer than ``revision`` does not count."""
        return self.close(MARKER, b'{"unsealed_until":%d}' % revision)

    def read_marker(self, value: bytes) -> int | None:
        """Return the revision in a genuine marker, None for any other bytes."""
        if self.check(MARKER, value) is not Verdict.GENUINE:
            return None
        try:
            return int(json.loads(value)["unsealed_until"])
        except (ValueError, KeyError, TypeError):
            return None


class SealStart:
    """Where seals begin in a bucket: the revision up to which records without one count, as its marker says.
    ``until``: None while all count."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self.until: int | None = None

    def learn(self, marker: bytes | None) -> bool:
        """Take the marker as it is stored; return whether it is genuine. Of several the lowest one counts."""
        found = self._seals.read_marker(marker) if marker is not None and self._seals else None
        if found is None:
            return False
        self.until = found if self.until is None else min(found, self.until)
        return True

    def counts(self, verdict: Verdict, revision: int) -> bool:
        """Return whether a record with this verdict, stored at this revision, counts."""
        if verdict is Verdict.UNSEALED:
            return self.until is None or revision <= self.until
        return verdict is Verdict.GENUINE


class PackedSeals:
    """Seals on records in msgpack, as ``Seals`` makes them for JSON: in the bytes of their field ``seal``,
    which is there, and as long as SEAL_BYTES, before they are sealed."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = list(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def close(self, place: str, value: bytes) -> bytes:
        """Return the record with its seal, for the place where it is stored."""
        if not self._keys:
            return value
        at = value.rindex(_FIELD) + len(_FIELD)
        return value[:at] + _digest(self._keys[0], place, value) + value[at + SEAL_BYTES :]

    def check(self, place: str, value: bytes) -> Verdict:
        """Judge a record as it is stored."""
        at = value.rfind(_FIELD) + len(_FIELD)
        if not self._keys:
            return Verdict.GENUINE
        if at < len(_FIELD):
            return Verdict.UNSEALED
        seal, empty = value[at : at + SEAL_BYTES], value[:at] + bytes(SEAL_BYTES) + value[at + SEAL_BYTES :]
        genuine = any(equal(_digest(own, place, empty), seal) for own in self._keys)
        return Verdict.GENUINE if genuine else Verdict.FORGED


def _digest(own: bytes, place: str, value: bytes) -> bytes:
    return hmac.digest(own, place.encode() + b"\0" + value, "sha256")


def _sign(own: bytes, key: str, value: bytes) -> str:
    return _digest(own, key, value).hex()
