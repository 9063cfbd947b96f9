"""The directory's record of one tunnel, and its stored form."""

from dataclasses import dataclass, replace
from sys import intern

import msgspec

NAME_BYTES = 256  # of a name that an older version took


@dataclass(frozen=True, slots=True)
class Record:
    """One tunnel. `home` is a worker id, "" without one; `revision` 0 means not stored."""

    tunnel_id: str
    name: str
    key_digest: str
    key_id: str
    generation: int
    home: str
    online: bool
    online_since: float
    revision: int = 0
    maker: str = ""  # id of the registration key that it was registered with last
    untouched: bool = False  # it never had a device

    def at(self, revision: int) -> "Record":
        """Return the record as stored under a revision."""
        return replace(self, revision=revision)


class _Stored(msgspec.Struct, forbid_unknown_fields=False, omit_defaults=True):
    """The stored form: the key says which tunnel, the store says which revision."""

    name: str
    key_digest: str
    key_id: str
    generation: int
    home: str
    online: bool
    online_since: float
    # Absent in records of the code before.
    maker: str = ""
    untouched: bool = False


_REPEATED = ("key_id", "home", "maker")  # fields that are the same in many records
_decoder = msgspec.json.Decoder(_Stored)


def encode(record: Record) -> bytes:
    return msgspec.json.encode(_Stored(*(getattr(record, name) for name in _Stored.__struct_fields__)))


def decode(tunnel_id: str, value: bytes, revision: int) -> Record:
    """Decode a record. Raise ValueError."""
    try:
        fields = msgspec.structs.asdict(_decoder.decode(value))
    except msgspec.MsgspecError as error:
        raise ValueError("not a record") from error
    fields["name"] = fields["name"].encode()[:NAME_BYTES].decode(errors="ignore")
    for name in _REPEATED:
        fields[name] = intern(fields[name])
    return Record(tunnel_id, revision=revision, **fields)
