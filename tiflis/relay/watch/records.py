"""How a tunnel's watches look in the store: its head, one record a watch, one a message."""

import hashlib
import logging
from typing import NamedTuple, TypeVar

import msgspec

from tiflis.relay.watch.queue import StreamKey
from tiflis.relay.watch.store import Record

FORMAT = 1
ITS_OWN = 0  # as a revision in a head: that of the head itself, which nobody knows before it is written
PAST_EPOCHS = 32  # homes that a tunnel may have had within the life of a record


class HeadRecord(msgspec.Struct, gc=False):
    """Who writes now. ``past``: former epochs, each with the revision after which it counted no more.
    ``generation``: of the home that wrote this; 0 if it did not say."""

    epoch: str
    watches: int
    clean: bool = False
    past: list[tuple[str, int]] = []
    format: int = FORMAT
    generation: int = 0


class WatchRecord(msgspec.Struct, gc=False):
    """A watch and its numbers. ``held``: the numbers that wait, written only by an orderly release.
    ``gone``: the watch is not connected any more; ``last`` is kept in case its device comes back."""

    device_id: str
    watch: str  # names this connect; a later connect of the device has another
    last: int
    acknowledged: int
    lost: int
    introduced: bool = False
    held: list[int] | None = None
    gone: bool = False


class MessageRecord(msgspec.Struct, gc=False):
    stamp: str
    age: float  # seconds, when it was written
    numbers: dict[str, int]  # by watch
    key: StreamKey | None = None
    text: bytes = b""


class StoredWatch(NamedTuple):
    record: WatchRecord
    age: float


class StoredMessage(NamedTuple):
    record: MessageRecord
    age: float


_R = TypeVar("_R")

log = logging.getLogger(__name__)

_to_bytes = msgspec.msgpack.Encoder().encode
_head = msgspec.msgpack.Decoder(HeadRecord)
_watch = msgspec.msgpack.Decoder(WatchRecord)
_message = msgspec.msgpack.Decoder(MessageRecord)


def encode(record: HeadRecord | WatchRecord | MessageRecord) -> bytes:
    return _to_bytes(record)


def decode_head(value: bytes) -> HeadRecord | None:
    """None for a head in a format that this code does not know."""
    try:
        head = _head.decode(value)
    except msgspec.MsgspecError:
        return None
    return head if head.format == FORMAT else None


def watch_name(device_id: str) -> str:
    """Ids hold any character, names do not."""
    return "w-" + hashlib.blake2b(device_id.encode("utf-8", "replace"), digest_size=12).hexdigest()


def message_name(slot: int) -> str:
    return f"m-{slot}"


def valid(records: list[Record], head: HeadRecord, head_revision: int) -> list[Record]:
    """Leaves out what a home wrote after it had lost the tunnel."""
    until = dict(head.past) | {head.epoch: head_revision}
    return [record for record in records if record.revision < until.get(record.epoch, 0)]


def watches(records: list[Record]) -> dict[str, StoredWatch]:
    """The watches, by device, those that are gone included."""
    latest: dict[str, StoredWatch] = {}
    for record in records:
        if not record.name.startswith("w-"):
            continue
        latest.pop(record.name, None)  # an empty record says that the watch has gone
        read = _read(_watch, record)
        if read is not None:
            latest[record.name] = StoredWatch(read, record.age)
    return {stored.record.device_id: stored for stored in latest.values()}


def messages(records: list[Record]) -> list[StoredMessage]:
    """The messages, oldest first."""
    found = [(_read(_message, record), record.age) for record in records if record.name.startswith("m-")]
    return [StoredMessage(read, age) for read, age in found if read is not None]


def _read(decoder: msgspec.msgpack.Decoder[_R], record: Record) -> _R | None:
    """None for an empty record, and for one of another version: its loss is announced like any other."""
    try:
        return decoder.decode(record.value) if record.value else None
    except msgspec.MsgspecError:
        log.warning("watch record not readable", extra={"record": record.name})
        return None
