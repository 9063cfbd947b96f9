"""A reader returns the same events wherever its stream is cut or it is handed over; it never raises."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol.wire import chops, client, head, read
from tiflis.protocol.frames import CloseCode, Event, FrameReader, Opcode

MAX_MESSAGE, MAX_FRAGMENTS = 300, 5
# Other tests share the processor: how long an example takes says nothing.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
STATE_TYPES = (int, bytes, str, type(None))

keys = st.binary(min_size=4, max_size=4)
# Lengths around the 16-bit form, which random payloads would hardly hit.
longer = st.integers(120, 140).map(lambda length: b"*" * length)
payloads = st.one_of(st.text(max_size=40).map(str.encode), longer)
controls = st.builds(
    lambda opcode, payload: (opcode, payload), st.sampled_from((9, 10)), st.binary(max_size=30)
)
fragments = st.tuples(st.integers(0, 140), st.none() | controls)
messages = st.tuples(st.sampled_from((1, 2)), payloads, st.lists(fragments, max_size=MAX_FRAGMENTS - 1))
# Most of these are wrong in one way or another.
wild_frames = st.builds(
    client,
    st.sampled_from([*Opcode, 3, 11]),
    st.binary(max_size=20) | longer,
    fin=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 4]),
    key=keys,
)
wild_streams = st.lists(wild_frames | st.binary(max_size=20), max_size=8).map(b"".join)


def new_reader() -> FrameReader:
    return FrameReader(MAX_MESSAGE, MAX_FRAGMENTS)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """Draw a legal stream, fragmented at random with control frames between, and the events that must come of
    it."""
    stream, told = b"", list[Event]()
    for opcode, payload, cuts in draw(st.lists(messages, max_size=4)):
        start, kind = 0, opcode
        for stop, control in sorted(cuts, key=lambda cut: cut[0]):
            stream += client(kind, payload[start:stop], fin=False, key=draw(keys))
            start, kind = stop, 0
            if control is not None:
                stream += client(*control, key=draw(keys))
                told.append(control)
        stream += client(kind, payload[start:], key=draw(keys))
        told.append((opcode, payload))
    return stream, told


def read_cut(pieces: Iterable[bytes]) -> tuple[list[Event], CloseCode | None]:
    return read(pieces, new_reader())


def read_handed_over(pieces: Iterable[bytes]) -> tuple[list[Event], CloseCode | None]:
    """Reads each piece with another reader, which takes over from the one before it."""
    reader, told = new_reader(), list[Event]()
    for piece in pieces:
        reader = FrameReader.restore(reader.export())
        told += reader.feed(piece)
    return told, reader.failure and reader.failure.code


def assert_plain(value: Any) -> None:
    if type(value) is list:
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in STATE_TYPES


@unhurried
@given(conversations())
def test_a_legal_stream_is_returned_as_it_was_meant(conversation: tuple[bytes, list[Event]]) -> None:
    stream, told = conversation
    assert read_cut([stream]) == (told, None)


@unhurried
@given(conversations() | wild_streams.map(lambda stream: (stream, [])))
def test_a_stream_cut_at_any_byte_tells_the_same(conversation: tuple[bytes, list[Event]]) -> None:
    stream, _ = conversation
    at_once = read_cut([stream])
    assert read_cut(chops(stream, 1)) == at_once
    for cut in range(len(stream) + 1):
        assert read_cut([stream[:cut], stream[cut:]]) == at_once


@unhurried
@given(wild_streams | conversations().map(lambda conversation: conversation[0]))
def test_a_reader_handed_over_at_any_byte_tells_the_same(stream: bytes) -> None:
    at_once = read_cut([stream])
    assert read_handed_over(chops(stream, 1)) == at_once
    for cut in range(len(stream) + 1):
        assert read_handed_over([stream[:cut], stream[cut:]]) == at_once


@unhurried
@given(wild_streams, st.binary(max_size=40))
def test_an_exported_state_is_plain_and_lets_go_of_its_reader(stream: bytes, rest: bytes) -> None:
    reader = new_reader()
    reader.feed(stream)
    state = reader.export()
    for value in state.values():
        assert_plain(value)
    told = reader.feed(rest)
    successor = FrameReader.restore(state)
    assert successor.feed(rest) == told
    assert successor.failure == reader.failure
    assert FrameReader.restore(state).feed(rest) == told


def test_a_state_can_be_restored_more_than_once() -> None:
    reader = FrameReader()
    large = client(2, bytes(20_000))
    reader.feed(large[:10_000])
    state = reader.export()
    for _ in range(2):
        assert FrameReader.restore(state).feed(large[10_000:]) == [(2, bytes(20_000))]


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (client(1, b"*" * 200, fin=False) + head(0, 101), CloseCode.MESSAGE_TOO_BIG),
        (client(1, fin=False) + client(0, fin=False) * 4 + head(0, 0), CloseCode.POLICY_VIOLATION),
        (client(1, b"\xf0", fin=False) + client(0, b"\x9f\x98"), CloseCode.INVALID_DATA),
        (client(1, b"open", fin=False) + client(1, b"new"), CloseCode.PROTOCOL_ERROR),
    ],
)
def test_what_counts_against_an_open_message_is_handed_over(stream: bytes, code: CloseCode) -> None:
    assert read_handed_over(chops(stream, 1)) == ([], code)
    for cut in range(len(stream) + 1):
        assert read_handed_over([stream[:cut], stream[cut:]]) == ([], code)


def test_a_reader_handed_over_after_its_end_stays_silent() -> None:
    hello = client(1, b"hello")
    assert read_handed_over([client(8), hello]) == ([(8, b"")], None)
    assert read_handed_over([client(3), hello]) == ([], CloseCode.PROTOCOL_ERROR)


def test_pieces_of_every_size_are_put_together_in_order() -> None:
    payload = bytes(index * 7 % 251 for index in range(60_000))
    stream, pieces, start = client(2, payload), [], 0
    for size in [3, 50, 5000, 1, 4096, 4095, 20_000, 2, 10, 9000, len(payload)]:
        pieces.append(stream[start : start + size])
        start += size
    assert read(pieces) == ([(2, payload)], None)


def test_a_large_message_handed_over_at_every_chop_arrives_whole() -> None:
    payload = "😀 tunnel".encode() * 20_000
    stream = client(1, payload[:100_001], fin=False) + client(9, b"ping") + client(0, payload[100_001:])
    reader, told = FrameReader(), list[Event]()
    for size, piece in enumerate(chops(stream, 4099)):
        reader = FrameReader.restore(reader.export())
        for part in chops(piece, 1 + 97 * size):
            told += reader.feed(part)
    assert told == [(9, b"ping"), (1, payload)]


@unhurried
@given(st.lists(st.binary(max_size=300)))
def test_random_bytes_never_raise(pieces: list[bytes]) -> None:
    read_cut(pieces)


@unhurried
@given(
    conversations(), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_a_legal_stream_with_spoilt_bytes_never_raises(
    conversation: tuple[bytes, list[Event]], spoils: list[tuple[int, int]]
) -> None:
    stream = bytearray(conversation[0])
    for position, byte in spoils:
        if position < len(stream):
            stream[position] = byte
    at_once = read_cut([bytes(stream)])
    assert read_cut(chops(bytes(stream), 7)) == at_once
