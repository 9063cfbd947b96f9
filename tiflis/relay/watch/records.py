"""The stored form of a tunnel's watches: a head, one record per watch, one per message."""

import hashlib
import logging
from typing import NamedTuple, TypeVar

import msgspec

from tiflis.relay.watch.queue import StreamKey
from tiflis.relay.watch.store import Record

FORMAT = 1
ITS_OWN = 0  # as a revision in a head: that of the head itself, which is not known before it is written
PAST_EPOCHS = 32  # homes that a tunnel may have had within the lifetime of a record


class HeadRecord(msgspec.Struct, gc=False):
    """The epoch of the home that writes now. ``past``: former epochs, each with the revision from which its
    records do not count. ``generation``: of the home that wrote this; 0 from code without that field."""

    epoch: str
    watches: int
    clean: bool = False
    past: list[tuple[str, int]] = []
    format: int = FORMAT
    generation: int = 0


class WatchRecord(msgspec.Struct, gc=False):
    """A watch and its numbers. ``held``: the numbers of its queued messages, written only by an orderly
    release. ``gone``: the watch is not connected any more; ``last`` is kept in case its device returns.
    ``stay``: seconds that a client stays, 0 for a watch. ``key_id``: of the device key that it came with
    last."""

    device_id: str
    watch: str  # names this connect; a later connect of the device has another
    last: int
    acknowledged: int
    lost: int
    introduced: bool = False
    held: list[int] | None = None
    gone: bool = False
    stay: float = 0.0
    registered: bool = False
    key_id: str = ""


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
    """Return the head, or None if this code does not know its format."""
    try:
        head = _head.decode(value)
    except msgspec.MsgspecError:
        return None
    return head if head.format == FORMAT else None


def watch_name(device_id: str) -> str:
    """Return the name of the device's record: a hash, as ids may hold any character. Older code does not
    read the records of devices that stay, and takes none for a watch."""
    kind = "s-" if device_id.startswith("\0") else "w-"
    return kind + hashlib.blake2b(device_id.encode("utf-8", "replace"), digest_size=12).hexdigest()


def message_name(slot: int) -> str:
    return f"m-{slot}"


def valid(records: list[Record], head: HeadRecord, head_revision: int) -> list[Record]:
    """Return the records without those that a home wrote after it had lost the tunnel."""
    until = dict(head.past) | {head.epoch: head_revision}
    return [record for record in records if record.revision < until.get(record.epoch, 0)]


def watches(records: list[Record]) -> dict[str, StoredWatch]:
    """Return the watches by device, including those that are gone."""
    latest: dict[str, StoredWatch] = {}
    for record in records:
        if not record.name.startswith(("w-", "s-")):
            continue
        latest.pop(record.name, None)  # an empty record says that the watch has gone
        read = _read(_watch, record)
        if read is not None:
            latest[record.name] = StoredWatch(read, record.age)
    return {stored.record.device_id: stored for stored in latest.values()}


def messages(records: list[Record]) -> list[StoredMessage]:
    """Return the messages, oldest first."""
    found = [(_read(_message, record), record.age) for record in records if record.name.startswith("m-")]
    return [StoredMessage(read, age) for read, age in found if read is not None]


def _read(decoder: msgspec.msgpack.Decoder[_R], record: Record) -> _R | None:
    """Decode a record. Return None for an empty one, and for one of another version, whose loss is announced
    like any other."""
    try:
        return decoder.decode(record.value) if record.value else None
    except msgspec.MsgspecError:
        log.warning("watch record not readable", extra={"record": record.name})
        return None
