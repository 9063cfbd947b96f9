"""What one worker writes to another when it hands over sockets, and what it hears back."""

from dataclasses import asdict, fields
from typing import Any

import msgspec

from tiflis.bus.channels import packets
from tiflis.bus.directory.directory import Record
from tiflis.relay.sessions.session import SessionState

VERSION = packets.VERSION  # of everything in here, sockets' state included; another one is refused


class SocketState(msgspec.Struct):
    """One socket: who it is, and its state (see Socket.leave). Its descriptor travels beside it."""

    session_state: SessionState = msgspec.field(name="passport")
    state: dict[str, Any]


class HandoffRequest(msgspec.Struct):
    """Sockets that belong together.

    home: a whole tunnel with the sockets of its workstation and clients. edge: clients whose home is
    elsewhere. loose: newcomers and orphans. One descriptor for each piece of luggage, in its order.
    """

    version: int
    kind: str
    sender: str  # worker id
    tunnel_id: str
    sockets: list[SocketState] = msgspec.field(name="luggage")
    record: dict[str, Any] = {}
    state: bytes = b""  # home: what it knows besides; edge: the channels that the clients came by

    def described(self) -> Record:
        known = {field.name for field in fields(Record)}
        return Record(**{name: value for name, value in self.record.items() if name in known})


class HandoffResponse(msgspec.Struct):
    """The answer: taken, or why not."""

    taken: bool
    reason: str = ""
    again: bool = False  # it may be taken in a moment


def record_of(record: Record) -> dict[str, Any]:
    return asdict(record)


_parcels = msgspec.msgpack.Decoder(HandoffRequest)
_receipts = msgspec.msgpack.Decoder(HandoffResponse)


def read(body: bytes) -> HandoffRequest:
    """Raises ValueError for a parcel of another version."""
    version = msgspec.msgpack.decode(body, type=_Version).version
    if version != VERSION:
        raise ValueError(f"state version {version}, this worker speaks {VERSION}")
    return _parcels.decode(body)


class _Version(msgspec.Struct):
    version: int


def read_receipt(answer: bytes) -> HandoffResponse:
    return _receipts.decode(answer)


encode = msgspec.msgpack.encode
