"""A client's side of the wire for the frame tests: masked frames, and three ways to cut a stream."""

from collections.abc import Iterable

from tiflis.protocol.frames import CloseCode, Event, FrameReader

# Four different bytes, so that a key that is rotated wrongly shows.
KEY = b"\x11\xa7\x5c\xf3"


def mask(payload: bytes, key: bytes = KEY) -> bytes:
    """Plain Python on purpose: a second opinion on the masking under test."""
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def length_field(length: int) -> bytes:
    if length < 126:
        return bytes((0x80 | length,))
    if length < 65536:
        return b"\xfe" + length.to_bytes(2, "big")
    return b"\xff" + length.to_bytes(8, "big")


def head(opcode: int, length: int, fin: bool = True, reserved: int = 0) -> bytes:
    """Return a client's frame up to its masking key."""
    return bytes((fin << 7 | reserved << 4 | opcode,)) + length_field(length)


def client(opcode: int, payload: bytes = b"", fin: bool = True, reserved: int = 0, key: bytes = KEY) -> bytes:
    """Return a client's whole frame."""
    return head(opcode, len(payload), fin, reserved) + key + mask(payload, key)


def fragmented(opcode: int, parts: list[bytes]) -> bytes:
    """Return a message of one frame per part."""
    last = len(parts) - 1
    return b"".join(client(0 if at else opcode, part, fin=at == last) for at, part in enumerate(parts))


def chops(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def read(pieces: Iterable[bytes], reader: FrameReader | None = None) -> tuple[list[Event], CloseCode | None]:
    """Everything that a reader tells about `pieces`, and the code it fails with."""
    reader = reader or FrameReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events, reader.failure and reader.failure.code


def read_every_way(stream: bytes) -> tuple[list[Event], CloseCode | None]:
    """Reads a stream at once and byte by byte, which must come to the same."""
    at_once = read([stream])
    assert read(chops(stream, 1)) == at_once
    return at_once
