"""Any bytes in any cuts: the same messages or the same failure, the ones that `websockets` reads too."""

from __future__ import annotations

import logging

from websockets.frames import Frame
from websockets.protocol import SERVER, Protocol

from tests.protocol.wire import client
from tiflis.protocol.frames import CloseCode, Event, FrameReader, Opcode, ProtocolFailure
from tools.fuzz.script import Script, cut

MAX_MESSAGE, MAX_FRAGMENTS = 300, 5
Told = tuple[list[Event], ProtocolFailure | None]
# A frame of a bad head is refused by its head; `websockets` wants to see all of it first.
PADDING = bytes(2 * MAX_MESSAGE)
_OPCODES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION, Opcode.PING, Opcode.PONG, Opcode.CLOSE, 3, 11)
_silent = logging.getLogger("tools.fuzz.frames")
_silent.setLevel(logging.CRITICAL)


# A ping inside a message, both together above the limit of one.
SEEDS = (b"\1\0\0\0" + bytes((73, 73)) + b"x" * 73 + bytes((67, 28)) + b"y" * 28,)


def frames(data: bytes) -> None:
    """The target."""
    script = Script(data)
    built, sizes = script.byte() & 1, script.take(3)
    stream = _built(script) if built else script.rest()
    told = _read([stream])
    assert _read(cut(stream, b"\0")) == told, "cut at every byte"
    assert _read(cut(stream, sizes)) == told, "cut"
    assert _read(cut(stream, b"\0"), moving=True) == told, "handed over at every byte"
    assert _read(cut(stream, sizes), moving=True) == told, "handed over"
    _agrees(stream, told)


def _built(script: Script) -> bytes:
    """Return a stream of whole frames, most of them legal."""
    stream = b""
    while script.more:
        how = script.byte()
        opcode = _OPCODES[how & 7]
        payload = script.piece() * (3 if how & 64 else 1)
        stream += client(opcode, payload, fin=not how & 8, reserved=4 if how & 48 == 48 else 0)
    return stream


def _read(pieces: list[bytes], moving: bool = False) -> Told:
    reader, events = FrameReader(MAX_MESSAGE, MAX_FRAGMENTS), list[Event]()
    for piece in pieces:
        if moving:
            reader = FrameReader.restore(reader.export())
        events += reader.feed(piece)
    return events, reader.failure


def _agrees(stream: bytes, told: Told) -> None:
    events, failure = told
    for opcode, payload in events:
        if opcode == Opcode.TEXT:
            payload.decode()
    theirs, code = _reference(stream if failure is None else stream + PADDING)
    if code == CloseCode.MESSAGE_TOO_BIG and [kind for kind, _ in events[len(theirs) :]][:1] >= [
        Opcode.CLOSE
    ]:
        # They count a control frame against what is left for the message around it; it is no part of that.
        assert theirs == events[: len(theirs)]
    elif events[-1:] and events[-1][0] == Opcode.CLOSE and code is not None:
        # RFC 6455, 5.4 and 5.5.1: a close may come inside a fragmented message. `websockets` bears none.
        assert (theirs, code) == (events[:-1], CloseCode.PROTOCOL_ERROR)
    elif failure is None:
        assert (theirs, code) == (events, None)
    else:
        # These two are ours alone: `websockets` leaves texts to its upper layer, and counts no fragments.
        alone = failure.code in (CloseCode.INVALID_DATA, CloseCode.POLICY_VIOLATION)
        assert theirs[: len(events)] == events
        assert alone or (len(theirs) == len(events) and code is not None), (failure, code)


def _reference(stream: bytes) -> tuple[list[Event], int | None]:
    """Return what `websockets` reads: messages put together, and the code it fails with."""
    other = Protocol(SERVER, max_size=MAX_MESSAGE, logger=_silent)
    other.receive_data(stream)
    events, opcode, parts = list[Event](), 0, list[bytes]()
    for frame in other.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode >= Opcode.CLOSE:
            events.append((int(frame.opcode), bytes(frame.data)))
            continue
        opcode = int(frame.opcode) or opcode
        parts.append(bytes(frame.data))
        if frame.fin:
            events.append((opcode, b"".join(parts)))
            parts = []
    failed = other.parser_exc is not None and other.close_sent is not None
    return events, int(other.close_sent.code) if failed and other.close_sent else None
