"""Seals on held messages: one that somebody else has put on the bus is never sent to a workstation.

A seal is an HMAC under a key that the registration key gives, over the record's bytes with the seal left out,
and over its tunnel. So fields that code of another version adds are covered too.
"""

import hmac
from collections.abc import Sequence

import msgspec

from tiflis.bus.seals import Verdict
from tiflis.protocol.comparison import equal
from tiflis.relay.held.records import HeldRecord, held_records

_SIZE = 32
_FIELD = b"\xa4seal\xc4" + bytes((_SIZE,))  # the field's name and the length of what follows, in msgpack


class RecordSeals:
    """Seals with the first key, and accepts the seal of any; without keys nothing is sealed or refused."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys

    def __bool__(self) -> bool:
        return bool(self._keys)

    def close(self, tunnel_id: str, record: HeldRecord) -> bytes:
        """Return the record as it is stored."""
        if not self._keys:
            return held_records.encode(record)
        value = held_records.encode(msgspec.structs.replace(record, seal=bytes(_SIZE)))
        at = value.rindex(_FIELD) + len(_FIELD)
        return value[:at] + _sign(self._keys[0], tunnel_id, value) + value[at + _SIZE :]

    def check(self, tunnel_id: str, value: bytes) -> Verdict:
        """Judge a record as it is stored."""
        at = value.rfind(_FIELD) + len(_FIELD)
        if not self._keys:
            return Verdict.GENUINE
        if at < len(_FIELD):
            return Verdict.UNSEALED
        seal, open_ = value[at : at + _SIZE], value[:at] + bytes(_SIZE) + value[at + _SIZE :]
        genuine = any(equal(_sign(key, tunnel_id, open_), seal) for key in self._keys)
        return Verdict.GENUINE if genuine else Verdict.FORGED


def _sign(key: bytes, tunnel_id: str, value: bytes) -> bytes:
    return hmac.digest(key, tunnel_id.encode() + b"\0" + value, "sha256")
