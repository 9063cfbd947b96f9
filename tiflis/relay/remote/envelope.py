"""The messages between a home and an edge inside a channel: one kind byte, fixed fields, then the text.

An edge is a worker with clients, or watch calls, of a tunnel whose home is elsewhere. ``n`` is a client's
socket number in its worker.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from tiflis.protocol.errors import (
    Forbidden,
    InternalError,
    InvalidAuthKey,
    InvalidPayload,
    SendFailed,
    TooLarge,
    TunnelError,
    WorkstationOffline,
)
from tiflis.relay.sessions.client import Attached
from tiflis.relay.watch.calls import Call, operation_of
from tiflis.relay.watch.interfaces import WatchesMoved

# From the edge to the home
ATTACH = 0x41  # n, flags, request, device id: a client has attached
DETACH = 0x44  # n: the client has gone
MESSAGE = 0x4D  # n, request, text: for the workstation
MOVING = 0x56  # the edge's clients are about to go to another worker: keep their places
CALL = 0x43  # number, operation and arguments, body: a watch's call
TAKE = 0x54  # generation: the sender is the new home, hand over
RESUME = 0x55  # positions: former channels of the edge's clients, and how much the edge consumed of them
AGAIN = 0x47  # marks, then as MESSAGE: a message that a former home may have consumed
CURSOR = 0x46  # n, text: the ``resume`` of the client's ``connect``, before its ATTACH
HOLD = 0x57  # n, request: a message that a client wants held, or a question about such (protocol/hold.py)
PING = 0x50  # n, text: a ping of a client that receives marks
SEEN = 0x4E  # n, text: the edge has read the type and form of the large MESSAGE that follows
LEFT = 0x4C  # marks, device id, number: as DETACH, for a client that is not attached at this home

# From the home to the edge
SEND = 0x53  # n, text: for one client
# Text for every connected client. A client that was connected before it attached gets broadcasts only after
# its HERE.
BROADCAST = 0x42
HERE = 0x48  # n: the home knows this client, which was connected before it attached, and sends it broadcasts
ACCEPT = 0x4B  # n, text: the workstation is online; send ``connected``
REFUSE = 0x52  # n, text: too many clients wait already; send an error
TELL = 0x50  # n, online: the workstation has come or gone
REPLY = 0x59  # number, answer: the result of a watch's call
STATE = 0x45  # the old home's state, for the new one

CONNECTED = 1  # flags of ATTACH: what the client has received already
TOLD_OFFLINE = 2
RECONNECT = 4
MARKED = 8

_one = struct.Struct("!BI")
_message = struct.Struct("!BIH")
_again = struct.Struct("!BH")
_call = struct.Struct("!BII")

Parts = list[bytes]


class Arrival(NamedTuple):
    """An ATTACH taken apart."""

    number: int
    flags: int  # CONNECTED, TOLD_OFFLINE, RECONNECT, MARKED
    request: bytes
    device_id: str
    places: list[tuple[str, int]]  # worker and number there, where the home may know the client already
    connection: str = ""  # its id, for the log
    key_id: str = ""  # of its device key; only sent if there is one


class ChannelPosition(NamedTuple):
    """A position in a channel between an edge and a home: where a message ends, or how much one side has
    consumed. In chunks."""

    edge: str
    home: str
    channel: int
    reached: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.edge, self.home, self.channel


Positions = list[ChannelPosition]

_positions = msgspec.msgpack.Decoder(list[ChannelPosition])
_departures = msgspec.msgpack.Decoder(tuple[list[ChannelPosition], str, int])


def attach(arrival: Arrival) -> Parts:
    # Code that knows no device keys reads six fields, and gets no client that has one.
    return [bytes((ATTACH,)), msgspec.msgpack.encode(tuple(arrival)[: 7 if arrival.key_id else 6])]


def read_attach(message: bytes) -> Arrival:
    try:
        return Arrival(*_arrivals.decode(message[1:]))
    except msgspec.ValidationError:
        return Arrival(*_arrivals_with_key.decode(message[1:]))


_arrivals = msgspec.msgpack.Decoder(tuple[int, int, bytes, str, list[tuple[str, int]], str])
_arrivals_with_key = msgspec.msgpack.Decoder(tuple[int, int, bytes, str, list[tuple[str, int]], str, str])


def take(generation: int) -> Parts:
    return [bytes((TAKE,)), generation.to_bytes(8, "big")]


def read_take(message: bytes) -> int:
    """Return the generation of the claim by which the sender is the new home."""
    return int.from_bytes(message[1:9], "big")


def message(number: int, request: bytes, text: bytes) -> Parts:
    return [_message.pack(MESSAGE, number, len(request)) + request, text]


def read_message(message: bytes) -> tuple[int, bytes, bytes]:
    """Return a MESSAGE's socket number, request id and text."""
    _, number, size = _message.unpack_from(message)
    end = _message.size + size
    return number, message[_message.size : end], message[end:]


pack_positions: Callable[[list[ChannelPosition]], bytes] = msgspec.msgpack.encode


def resume(positions: list[ChannelPosition]) -> bytes:
    return bytes((RESUME,)) + pack_positions(positions)


def read_positions(encoded: bytes) -> list[ChannelPosition]:
    """Decode the positions after a RESUME's first byte, or those handed over with an edge's clients."""
    return _positions.decode(encoded)


def seen(number: int, kind: str, formed: bool) -> Parts:
    return numbered(SEEN, number, bytes((formed,)) + kind.encode())


def read_seen(message: bytes) -> tuple[int, str, bool]:
    """Return a SEEN's socket number, the type of the message that follows, and whether its form is one that
    limited scopes allow."""
    number, text = read_numbered(message)
    return number, text[1:].decode(), text[:1] == b"\1"


def again(marks: Positions, number: int, request: bytes, text: bytes) -> Parts:
    head = msgspec.msgpack.encode(marks)
    return [_again.pack(AGAIN, len(head)) + head, *message(number, request, text)]


def read_again(message: bytes) -> tuple[Positions, bytes]:
    """Return an AGAIN's marks, and the MESSAGE in it."""
    end = _again.size + _again.unpack_from(message)[1]
    return _positions.decode(message[_again.size : end]), message[end:]


def left(marks: Positions, device_id: str, number: int) -> Parts:
    return [bytes((LEFT,)), msgspec.msgpack.encode((marks, device_id, number))]


def read_left(message: bytes) -> tuple[Positions, str, int]:
    return _departures.decode(message[1:])


def numbered(kind: int, number: int, text: bytes = b"") -> Parts:
    """Return a DETACH, SEND, ACCEPT, REFUSE, TELL, HERE, REPLY, CURSOR, HOLD, PING or SEEN."""
    return [_one.pack(kind, number), text]


def read_numbered(message: bytes) -> tuple[int, bytes]:
    return _one.unpack_from(message)[1], message[_one.size :]


def call(number: int, call: Call) -> Parts:
    """Return a CALL. The text of a command follows its other fields as it is."""
    fields = msgspec.structs.asdict(call)
    text = fields.pop("text", b"")
    fields.pop("key_id", None)  # the home sets it
    head = msgspec.msgpack.encode((operation_of(call), fields))
    return [_call.pack(CALL, number, len(head)), head, text]


def read_call(message: bytes) -> tuple[int, Call | None]:
    """Return a CALL's number and the call, None for one that only other versions know."""
    _, number, size = _call.unpack_from(message)
    end = _call.size + size
    operation, fields = msgspec.msgpack.decode(message[_call.size : end])
    try:
        return number, msgspec.convert({**fields, "operation": operation, "text": message[end:]}, Call)
    except msgspec.ValidationError:
        return number, None


def answered(answer: dict[str, Any]) -> bytes:
    """Return a REPLY's text for a call that succeeded."""
    return b"+" + msgspec.msgpack.encode(answer)


def failed(problem: TunnelError) -> bytes:
    """Return a REPLY's text for a call that the home refused."""
    return b"-" + msgspec.msgpack.encode(
        (_NAMES.get(type(problem), "InternalError"), str(problem), problem.details)
    )


def read_answer(text: bytes) -> dict[str, Any]:
    """Return the answer to a call. Raises the TunnelError that the home raised."""
    if text[:1] == b"+":
        answer: dict[str, Any] = msgspec.msgpack.decode(text[1:])
        return answer
    name, message, details = msgspec.msgpack.decode(text[1:])
    raise _PROBLEMS.get(name, InternalError)(message, details)


# By name, as they travel: a name here never changes, whatever its class is called.
_PROBLEMS: dict[str, type[TunnelError]] = {
    "DeskClosed": WatchesMoved,
    "Forbidden": Forbidden,
    "InvalidAuthKey": InvalidAuthKey,
    "InvalidPayload": InvalidPayload,
    "SendFailed": SendFailed,
    "TooLarge": TooLarge,
    "WorkstationOffline": WorkstationOffline,
    "InternalError": InternalError,
}
_NAMES = {problem: name for name, problem in _PROBLEMS.items()}


def deliver(message: bytes, clients: Mapping[int, Attached]) -> None:
    """Deliver a home's message to the edge's clients that it is for."""
    kind = message[0]
    if kind == BROADCAST:
        text = message[1:]
        for client in clients.values():
            if client.connected:
                client.send(text)
        return
    number, text = read_numbered(message)
    one = clients.get(number)
    if one is not None:
        apply(kind, one, text)


def apply(kind: int, client: Attached, text: bytes) -> None:
    """Call the client's method for this kind of message."""
    method = _METHODS.get(kind)
    if method is not None:
        method(client, text)


def starts_broadcasts(message: bytes, number: int) -> bool:
    """Return whether this message makes the client ``number`` start receiving broadcasts."""
    return message[0] in (ACCEPT, HERE) and read_numbered(message)[0] == number


_METHODS: dict[int, Callable[[Attached, bytes], None]] = {
    SEND: lambda client, text: client.send(text),
    ACCEPT: lambda client, text: client.accept(text),
    REFUSE: lambda client, text: client.refuse(text),
    TELL: lambda client, text: client.notify(text == b"\1"),
    HERE: lambda client, text: client.here(),
}
