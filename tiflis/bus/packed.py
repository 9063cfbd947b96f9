"""Records as they lie in a bucket: msgpack, in which code of another version may have other fields."""

from typing import Generic, TypeVar

import msgspec

R = TypeVar("R", bound=msgspec.Struct)


class Packed(Generic[R]):
    """Writes and reads the records of one kind."""

    def __init__(self, kind: type[R]) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)

    def encode(self, record: R) -> bytes:
        """Return the record as it is stored."""
        return msgspec.msgpack.encode(record)

    def decode(self, value: bytes) -> R | None:
        """Return the record, or None for one that this code cannot read."""
        try:
            return self._decoder.decode(value)
        except msgspec.MsgspecError:
            return None
