"""Frame heads: a frame's first 2 to 10 bytes, written for a server and read from a client."""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from tiflis.protocol.close import Breach, CloseCode

FIN = 0x80
MASKED = 0x80
LENGTH_16 = 126
LENGTH_64 = 127

_RESERVED = 0x70
_OPCODE = 0x0F
_CONTROL = 0x08
# RFC 6455, 5.5: a control frame carries at most 125 bytes, so its length stands in the second byte.
_MAX_CONTROL = 125

_pack_16 = Struct("!BBH").pack
_pack_64 = Struct("!BBQ").pack


class Opcode(IntEnum):
    """Frame types (RFC 6455, 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_KNOWN = frozenset(int(opcode) for opcode in Opcode)


class FrameHead(NamedTuple):
    """A client's frame up to its masking key, which begins at `end`."""

    opcode: int
    final: bool
    length: int
    end: int

    @property
    def is_control(self) -> bool:
        return self.opcode >= _CONTROL


def header(opcode: int, length: int, fin: bool = True) -> bytes:
    """Return the header of a server's frame, which is never masked (RFC 6455, 5.1)."""
    first = opcode | FIN if fin else opcode
    if length < LENGTH_16:
        return bytes((first, length))
    if length < 1 << 16:
        return _pack_16(first, LENGTH_16, length)
    return _pack_64(first, LENGTH_64, length)


def read_head(data: bytes, position: int, message_open: bool) -> FrameHead | None:
    """Return the head at `position`, or None until all of it is there. Raises `Breach`.

    The verdict does not depend on how much of the frame has arrived: the first two bytes are judged before
    the length is looked for.
    """
    arrived = len(data) - position
    if arrived < 2:
        return None
    first, second = data[position], data[position + 1]
    _judge(first, second, message_open)
    length, end = second - MASKED, position + 2
    if length >= LENGTH_16:
        end += 2 if length == LENGTH_16 else 8
        if end > len(data):
            return None
        length = int.from_bytes(data[position + 2 : end], "big")
        if length >> 63:
            raise Breach(CloseCode.PROTOCOL_ERROR, "length with its top bit set")
    return FrameHead(first & _OPCODE, first >= FIN, length, end)


def _judge(first: int, second: int, message_open: bool) -> None:
    opcode = first & _OPCODE
    if first & _RESERVED:
        raise Breach(CloseCode.PROTOCOL_ERROR, "reserved bit set")
    if opcode not in _KNOWN:
        raise Breach(CloseCode.PROTOCOL_ERROR, "reserved opcode")
    if second < MASKED:
        raise Breach(CloseCode.PROTOCOL_ERROR, "frame is not masked")
    if opcode >= _CONTROL:
        if first < FIN:
            raise Breach(CloseCode.PROTOCOL_ERROR, "fragmented control frame")
        if second - MASKED > _MAX_CONTROL:
            raise Breach(CloseCode.PROTOCOL_ERROR, "control frame above 125 bytes")
    elif message_open and opcode:
        raise Breach(CloseCode.PROTOCOL_ERROR, "new message inside a fragmented one")
    elif not message_open and not opcode:
        raise Breach(CloseCode.PROTOCOL_ERROR, "continuation of no message")
