"""The request and the response of a handoff between two workers."""

from typing import Any

import msgspec

from tiflis.bus.channels import packets
from tiflis.bus.directory.directory import Record
from tiflis.relay.sessions.session import SessionState

VERSION = packets.VERSION  # of everything in here, sockets' state included; another one is refused


class SocketState(msgspec.Struct):
    """One socket: its session's state and its own (see Socket.leave). Its descriptor travels beside it."""

    session_state: SessionState = msgspec.field(name="passport")
    state: dict[str, Any]


class HandoffRequest(msgspec.Struct):
    """Sockets that belong together.

    home: a whole tunnel with the sockets of its workstation and clients. edge: clients whose home is
    elsewhere. loose: sockets without a role, and superseded ones. steered: one socket without a role, for the
    worker that gives it its role. One descriptor for each socket, in their order.
    """

    version: int
    kind: str
    sender: str  # worker id
    tunnel_id: str
    sockets: list[SocketState] = msgspec.field(name="luggage")
    record: dict[str, Any] = {}
    state: bytes = b""  # home: the home's state; edge: the channels that the clients came by

    def described(self) -> Record:
        """Return the tunnel's record; fields that this code does not know are left out."""
        return msgspec.convert(self.record, Record)


class HandoffResponse(msgspec.Struct):
    """The answer: taken, or the reason why not."""

    taken: bool
    reason: str = ""
    again: bool = False  # it may be taken in a moment


def record_of(record: Record) -> dict[str, Any]:
    """Return the record as the document that a request contains."""
    return msgspec.structs.asdict(record)


_requests = msgspec.msgpack.Decoder(HandoffRequest)
_responses = msgspec.msgpack.Decoder(HandoffResponse)


def read(body: bytes) -> HandoffRequest:
    """Decode a request. Raise ValueError for another version."""
    version = msgspec.msgpack.decode(body, type=_Version).version
    if version != VERSION:
        raise ValueError(f"state version {version}, this worker speaks {VERSION}")
    return _requests.decode(body)


class _Version(msgspec.Struct):
    version: int


def read_receipt(answer: bytes) -> HandoffResponse:
    return _responses.decode(answer)


encode = msgspec.msgpack.encode
