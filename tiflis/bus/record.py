"""What the directory knows about one tunnel, and how it is stored."""

from dataclasses import dataclass, replace

import msgspec


@dataclass(frozen=True, slots=True)
class Record:
    """One tunnel. `home` is a worker id, "" when no worker cares for it; `revision` 0 means not stored."""

    tunnel_id: str
    name: str
    key_digest: str
    key_id: str
    generation: int
    home: str
    online: bool
    online_since: float
    revision: int = 0

    def at(self, revision: int) -> "Record":
        """The same record as stored under a revision."""
        return replace(self, revision=revision)


class _Stored(msgspec.Struct, forbid_unknown_fields=False):
    """The stored form: the key says which tunnel, the store says which revision."""

    name: str
    key_digest: str
    key_id: str
    generation: int
    home: str
    online: bool
    online_since: float


_decoder = msgspec.json.Decoder(_Stored)


def encode(record: Record) -> bytes:
    return msgspec.json.encode(
        _Stored(
            record.name,
            record.key_digest,
            record.key_id,
            record.generation,
            record.home,
            record.online,
            record.online_since,
        )
    )


def decode(tunnel_id: str, value: bytes, revision: int) -> Record:
    """ValueError when these bytes are no record."""
    try:
        stored = _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError("not a record") from error
    return Record(
        tunnel_id,
        stored.name,
        stored.key_digest,
        stored.key_id,
        stored.generation,
        stored.home,
        stored.online,
        stored.online_since,
        revision,
    )
