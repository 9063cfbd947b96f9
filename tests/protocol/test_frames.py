"""The frame reader's own limits, its memory, its failures, and the builders of server frames."""

import importlib.util
import sys
import tracemalloc
from collections.abc import Callable, Generator

import pytest
import websockets.utils
from websockets.frames import Close, Frame
from websockets.frames import Opcode as TheirOpcode
from websockets.streams import StreamReader

from tests.protocol.wire import KEY, chops, client, fragmented, head, mask, read, read_every_way
from tiflis.protocol import frames
from tiflis.protocol.frames import CloseCode, FrameReader, Opcode, close_frame, frame, header

CONTINUATION, TEXT, BINARY = Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
MIB = 1024 * 1024
HELLO = (TEXT, b"hello")


def peak_of(work: Callable[[], object]) -> int:
    """Bytes that `work` had allocated at its worst moment."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Masking


@pytest.mark.parametrize("opcode", Opcode)
def test_an_unmasked_frame_is_refused(opcode: Opcode) -> None:
    assert read_every_way(client(*HELLO) + frame(opcode, b"")) == ([HELLO], CloseCode.PROTOCOL_ERROR)


def test_an_unmasked_long_frame_is_refused() -> None:
    for length in (126, 127, 70000):
        assert read([frame(TEXT, b"*" * length)]) == ([], CloseCode.PROTOCOL_ERROR)


def test_masking_works_without_the_c_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    spec = importlib.util.spec_from_file_location("frames_without_speedups", frames.__file__)
    assert spec is not None and spec.loader is not None
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.apply_mask is websockets.utils.apply_mask
    assert again.FrameReader().feed(client(TEXT, b"hello!") + client(PING)) == [
        (TEXT, b"hello!"),
        (PING, b""),
    ]


# Lengths


def test_a_length_in_a_longer_form_than_needed_is_taken() -> None:
    short = KEY + mask(b"hello")
    for field in (b"\xfe\x00\x05", b"\xff" + bytes(7) + b"\x05"):
        assert read_every_way(b"\x81" + field + short) == ([HELLO], None)


def test_a_length_with_its_top_bit_set_is_refused() -> None:
    assert read_every_way(b"\x82\xff\x80" + bytes(7)) == ([], CloseCode.PROTOCOL_ERROR)
    assert read_every_way(b"\x82\xff\x7f" + b"\xff" * 7) == ([], CloseCode.MESSAGE_TOO_BIG)


@pytest.mark.parametrize("limit", [0, 100, 125, 126, 1000, 65535, 65536, 100_000])
def test_a_message_above_the_limit_is_refused_by_its_head_and_one_at_the_limit_passes(limit: int) -> None:
    assert read([head(TEXT, limit + 1)], FrameReader(limit)) == ([], CloseCode.MESSAGE_TOO_BIG)
    stream = client(TEXT, b"*" * limit)
    assert read([stream], FrameReader(limit)) == ([(TEXT, b"*" * limit)], None)
    too_long = client(*HELLO) + client(TEXT, b"*" * (limit + 6))
    assert read([too_long], FrameReader(limit + 5)) == ([HELLO], CloseCode.MESSAGE_TOO_BIG)


def test_fragments_that_sum_above_the_limit_are_refused_by_the_last_head() -> None:
    first = client(TEXT, b"*" * 60, fin=False)
    assert read([first, head(CONTINUATION, 41)], FrameReader(100)) == ([], CloseCode.MESSAGE_TOO_BIG)
    whole = first + client(CONTINUATION, b"*" * 40)
    assert read([whole + whole], FrameReader(100)) == ([(TEXT, b"*" * 100)] * 2, None)


def test_the_limit_may_change_between_frames() -> None:
    reader = FrameReader(10)
    assert read([client(TEXT, b"*" * 10)], reader) == ([(TEXT, b"*" * 10)], None)
    reader.max_message = 70_000
    assert read([client(TEXT, b"*" * 70_000)], reader) == ([(TEXT, b"*" * 70_000)], None)
    reader.max_message = 10
    assert read([head(TEXT, 11)], reader) == ([], CloseCode.MESSAGE_TOO_BIG)


def test_control_frames_are_not_held_to_the_message_limit() -> None:
    assert read_every_way(client(PING, b"*" * 125)) == ([(PING, b"*" * 125)], None)
    assert read([client(PING, b"*" * 125)], FrameReader(10)) == ([(PING, b"*" * 125)], None)


def test_exactly_50_mib_pass_and_one_byte_more_does_not() -> None:
    payload = bytes(50 * MIB)
    stream = head(BINARY, len(payload)) + bytes(4) + payload
    assert read(chops(stream, 256 * 1024)) == ([(BINARY, payload)], None)
    assert read([head(BINARY, len(payload) + 1)]) == ([], CloseCode.MESSAGE_TOO_BIG)


# Fragments


@pytest.mark.parametrize("part", [b"", b"a"])
def test_a_message_has_at_most_4096_fragments(part: bytes) -> None:
    assert read([fragmented(TEXT, [part] * 4096)]) == ([(TEXT, part * 4096)], None)
    endless = client(TEXT, part, fin=False) + client(CONTINUATION, part, fin=False) * 4095
    reader = FrameReader()
    assert read([endless], reader) == ([], None)
    assert read([head(CONTINUATION, 0)], reader) == ([], CloseCode.POLICY_VIOLATION)


def test_the_fragments_are_counted_anew_for_each_message() -> None:
    message = fragmented(TEXT, [b"a", b"b", b"c"])
    assert read([message * 3], FrameReader(max_fragments=3)) == ([(TEXT, b"abc")] * 3, None)
    assert read([message], FrameReader(max_fragments=2)) == ([], CloseCode.POLICY_VIOLATION)


# Memory


def test_an_announced_length_costs_no_memory_ahead() -> None:
    reader = FrameReader()
    assert peak_of(lambda: reader.feed(head(BINARY, 50 * MIB) + KEY + b"first bytes")) < 16 * 1024


def test_a_message_that_drips_in_costs_little_more_than_its_size() -> None:
    size = 256 * 1024
    stream = head(BINARY, size) + KEY + bytes(size - 1)
    reader = FrameReader()
    pieces = chops(stream, 1)
    assert peak_of(lambda: read(pieces, reader)) < 2 * size


def test_one_byte_fragments_cost_little_more_than_their_bytes() -> None:
    reader = FrameReader()
    endless = [client(BINARY, b"a", fin=False), *[client(CONTINUATION, b"a", fin=False)] * 4000]
    assert peak_of(lambda: read(endless, reader)) < 64 * 1024


@pytest.mark.parametrize(
    "last", [client(PING, reserved=1), client(CLOSE), head(CONTINUATION, 100) + KEY + mask(b"\xff")]
)
def test_a_reader_that_reads_no_more_keeps_nothing(last: bytes) -> None:
    reader = FrameReader()
    reader.feed(client(TEXT, bytes(MIB), fin=False) + last)
    assert reader.feed(client(TEXT)) == []
    state = reader.export()
    assert (state["parts"], state["head"], state["left"]) == ([b""], b"", 0)


# Failure


def test_after_a_breach_nothing_more_is_returned() -> None:
    reader = FrameReader()
    assert reader.feed(client(*HELLO) + client(3) + client(*HELLO)) == [HELLO]
    failure = reader.failure
    assert failure == (CloseCode.PROTOCOL_ERROR, "reserved opcode")
    assert reader.feed(client(*HELLO)) == []
    assert reader.failure is failure


def test_the_failure_can_be_sent_as_it_is() -> None:
    reader = FrameReader(10)
    reader.feed(head(TEXT, 11))
    assert reader.failure is not None
    assert close_frame(*reader.failure) == b"\x88\x11\x03\xf1message too big"


# Builders, read by another implementation


def parsed(data: bytes) -> Frame:
    stream = StreamReader()
    stream.feed_data(data)
    parsing: Generator[None, None, Frame] = Frame.parse(stream.read_exact, mask=False)
    with pytest.raises(StopIteration) as stop:
        next(parsing)
    assert isinstance(stop.value.value, Frame)
    return stop.value.value


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY])
def test_server_frames_are_understood(opcode: Opcode, length: int, fin: bool) -> None:
    payload = b"*" * length
    assert frame(opcode, payload, fin) == header(opcode, length, fin) + payload
    assert parsed(frame(opcode, payload, fin)) == Frame(TheirOpcode(opcode), payload, fin=fin)


def test_a_50_mib_header_has_the_64_bit_form() -> None:
    assert header(TEXT, 50 * MIB) == b"\x81\x7f\x00\x00\x00\x00\x03\x20\x00\x00"


@pytest.mark.parametrize("code", [*CloseCode, 3000, 4999])
def test_close_frames_are_understood(code: int) -> None:
    assert Close.parse(bytes(parsed(close_frame(code, "going on")).data)) == Close(code, "going on")


@pytest.mark.parametrize(("letter", "kept"), [("a", 123), ("é", 61), ("€", 41), ("😀", 30)])
def test_a_long_close_reason_is_cut_between_two_characters(letter: str, kept: int) -> None:
    assert Close.parse(bytes(parsed(close_frame(1000, letter * 200)).data)).reason == letter * kept


def test_a_lone_surrogate_in_a_close_reason_is_replaced() -> None:
    assert close_frame(1000, "\ud800") == b"\x88\x03\x03\xe8?"


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536])
def test_a_close_code_that_may_not_travel_is_our_own_mistake(code: int) -> None:
    with pytest.raises(ValueError, match="may not travel"):
        close_frame(code)


def test_a_huge_message_in_fragments_moves_between_processes() -> None:
    text = "naïve ".encode() * (3 * MIB)
    cut = 11 * MIB  # within a character
    stream = client(TEXT, text[:cut], fin=False) + client(CONTINUATION, text[cut:])
    reader, events = FrameReader(), []
    for start in range(0, len(stream), 3 * MIB):
        events += reader.feed(stream[start : start + 3 * MIB])
        reader = FrameReader.restore(reader.export())
    assert [opcode for opcode, _ in events] == [TEXT]
    assert events[0][1] == text
