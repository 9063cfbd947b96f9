"""The packets between two workers: a header that names the sender, then frames of any of its channels.

    packet   length of this header (1) · version (1) · epoch of the sender (8) · id of the sender · frames
    RUN      kind · channel · first · received · consumed · count · count lengths (top bit: goes on) · chunks
    ACK      kind · channel · received · consumed            NAK: the same, and "send again from received + 1"
    SYNC     kind · channel · received · consumed · sent     "this is how far I have sent: answer"
    OPEN     kind · channel · length (1) · tunnel id
    FIN      kind · channel · last · consumed     "my messages end there, I consume nothing beyond that"
    CLOSED   kind · channel · consumed            "this channel has ended here, that is all I consumed"
    UNKNOWN  kind · channel                       "there never was such a channel, or I forgot it"

Numbers are little-endian. `received` and `consumed` count chunks: received without a gap, and consumed.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from tiflis.bus.errors import PacketRefused

# Of all that workers write to each other: these packets, what the relay puts into them, parcels of sockets.
# Whoever changes a format so that workers of the code before cannot read it, or misread it, counts it up.
VERSION = 2


class Kind(IntEnum):
    """The kind of a frame."""

    RUN = 1
    ACK = 2
    NAK = 3
    SYNC = 4
    OPEN = 5
    FIN = 6
    CLOSED = 7
    UNKNOWN = 8


RUN = Struct("<BIQQQH")
ACK = Struct("<BIQQ")
SYNC = Struct("<BIQQQ")
OPEN = Struct("<BIB")
FIN = Struct("<BIQQ")
CLOSED = Struct("<BIQ")
UNKNOWN = Struct("<BI")

MORE = 0x8000_0000
"""In a chunk's length: the message goes on in the next chunk."""
LENGTH = 0x7FFF_FFFF
RUN_COUNT_MAX = 0xFFFF

_HEADER = Struct("<BBQ")


class Origin(NamedTuple):
    """The sender of a packet, and the epoch of its process."""

    epoch: int
    worker: str


def packet_header(epoch: int, worker: str) -> bytes:
    """Return the header of every packet of one worker."""
    name = worker.encode("ascii")
    return _HEADER.pack(_HEADER.size + len(name), VERSION, epoch) + name


def origin(header: bytes) -> Origin:
    """Return the sender of a packet. Raise PacketRefused."""
    if len(header) <= _HEADER.size:
        raise PacketRefused("packet too short")
    length, version, epoch = _HEADER.unpack_from(header)
    if version != VERSION or length != len(header):
        raise PacketRefused(f"packet of version {version}")
    return Origin(epoch, header[_HEADER.size :].decode("ascii", "replace"))


def open_frame(number: int, tunnel_id: str) -> bytes:
    name = tunnel_id.encode("ascii")
    return OPEN.pack(Kind.OPEN, number, len(name)) + name


def closed_frame(number: int, consumed: int) -> bytes:
    return CLOSED.pack(Kind.CLOSED, number, consumed)


def unknown_frame(number: int) -> bytes:
    return UNKNOWN.pack(Kind.UNKNOWN, number)


def lengths(count: int) -> Struct:
    """Return the packing of the lengths of `count` chunks."""
    known = _LENGTHS.get(count)
    if known is None:
        known = Struct(f"<{count}I")
        if count < 256:  # runs of small messages; longer ones are rare enough to compile each time
            _LENGTHS[count] = known
    return known


def total(packed: tuple[int, ...]) -> int:
    """Return how many bytes the chunks of a run have."""
    return sum(length & LENGTH for length in packed)


_LENGTHS: dict[int, Struct] = {}
