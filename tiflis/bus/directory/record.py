"""The directory's record of one tunnel, and its stored form."""

from operator import attrgetter
from sys import intern

import msgspec

NAME_BYTES = 256  # of a name that an older version took


class Record(msgspec.Struct, frozen=True, gc=False):
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
        return msgspec.structs.replace(self, revision=revision)


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


_decoder = msgspec.json.Decoder(_Stored)
_stored_fields = attrgetter(*_Stored.__struct_fields__)


def encode(record: Record) -> bytes:
    """Return the stored form of a record."""
    return msgspec.json.encode(_Stored(*_stored_fields(record)))


def decode(tunnel_id: str, value: bytes, revision: int) -> Record:
    """Decode a record. Raise ValueError."""
    try:
        stored = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError("not a record") from error
    return Record(
        tunnel_id,
        stored.name.encode()[:NAME_BYTES].decode(errors="ignore"),
        stored.key_digest,
        intern(stored.key_id),  # the same in many records, as are home and maker
        stored.generation,
        intern(stored.home),
        stored.online,
        stored.online_since,
        revision,
        intern(stored.maker),
        stored.untouched,
    )
