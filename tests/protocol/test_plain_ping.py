"""A plain ping gets the answer that its JSON gets; nothing else is taken for one."""

import os

import pytest

from tests.protocol.wire import client as frame
from tiflis.protocol import head, messages
from tiflis.protocol.errors import TunnelError
from tiflis.protocol.frames import FrameReader, Opcode
from tiflis.protocol.frames import frame as server_frame
from tiflis.protocol.plain_ping import LEAST, MOST, plain_pong

TIMES = ["0", "1", "42", "1764470000000", "9999999999999999"]
PLAIN = [b'{"type":"ping","timestamp":%s}' % time.encode() for time in TIMES]
OTHERS = [
    b'{"type":"ping","timestamp":}',
    b'{"type":"ping","timestamp":01}',
    b'{"type":"ping","timestamp":1.5}',
    b'{"type":"ping","timestamp":-1}',
    b'{"type":"ping","timestamp":1e9}',
    b'{"type":"ping","timestamp": 1}',
    b'{"type":"ping","timestamp":"1"}',
    b'{"type":"ping","timestamp":1]',
    b'{"type":"ping","timestamp":1} ',
    b'{"type":"ping","timestamp":1,"id":2}',
    b'{"type":"ping","timestamp":12345678901234567}',
    b'{"type":"pong","timestamp":1764470000000}',
    b'{"type":"peng","timestamp":1764470000000}',
    b'{"timestamp":1764470000000,"type":"ping"}',
    '{"type":"ping","timestamp":١٢٣}'.encode(),
]


def answer(data: bytes) -> bytes | None:
    return plain_pong(data) if LEAST <= len(data) <= MOST else None


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_ping_is_answered_as_its_json_is(text: bytes) -> None:
    for key in (bytes(4), b"\xff\x00\x80\x01", os.urandom(4)):
        data = frame(Opcode.TEXT, text, key=key)
        assert FrameReader().feed(data) == [(Opcode.TEXT, text)]
        assert answer(data) == server_frame(Opcode.TEXT, messages.pong(head.peek(text).timestamp))


@pytest.mark.parametrize("text", OTHERS)
def test_other_messages_are_not_taken_for_one(text: bytes) -> None:
    assert answer(frame(Opcode.TEXT, text)) is None
    try:
        found = head.peek(text)
    except TunnelError:
        return
    assert found.type != "ping" or text not in PLAIN


@pytest.mark.parametrize("text", PLAIN)
def test_other_frames_are_not_taken_for_one(text: bytes) -> None:
    data = frame(Opcode.TEXT, text)
    assert answer(frame(Opcode.BINARY, text)) is answer(frame(Opcode.TEXT, text, fin=False)) is None
    assert answer(data[:-1]) is answer(data + b"\x81") is answer(data[:1] + data) is None
