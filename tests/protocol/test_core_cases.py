"""Autobahn's core cases for a server's reader, as tables that need no Python 2.7."""

import pytest

from tests.protocol.wire import chops, client, fragmented, head, mask, read, read_every_way
from tiflis.protocol.frames import CloseCode, FrameReader, Opcode

CONTINUATION, TEXT, BINARY = Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
HELLO = (TEXT, b"hello")

GREEK = "κόσμε".encode()
VALID_UTF8 = [
    b"",
    b"\x00",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xb9",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf0\x9f\xbf\xbe",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
    GREEK,
    "Hello-µ@ßöäüàá-UTF-8!!".encode(),
]
# Each starts with the shortest part that nothing can mend, and then its length.
INVALID_UTF8 = [
    (b"\x80", 1),
    (b"\xbf", 1),
    (b"\x80\xbf\x80\xbf", 1),
    (b"\xc0\xaf", 1),
    (b"\xc0\x80", 1),
    (b"\xc1\xbf", 1),
    (b"\xc3 \xc4 ", 2),
    (b"\xdf\xdf", 2),
    (b"\xe0\x80\xaf", 2),
    (b"\xe0\x9f\xbf", 2),
    (b"\xe1\x80\xe2", 3),
    (b"\xed\xa0\x80", 2),
    (b"\xed\xbf\xbf", 2),
    (b"\xed\xad\xbf\xed\xb0\x80", 2),
    (b"\xf0\x80\x80\xaf", 2),
    (b"\xf0\x8f\xbf\xbf", 2),
    (b"\xf1\x80\x80\x7f", 4),
    (b"\xf4\x90\x80\x80", 2),
    (b"\xf5\x80\x80\x80", 1),
    (b"\xf7\xbf\xbf\xbf", 1),
    (b"\xf8\x88\x80\x80\x80", 1),
    (b"\xfd\xbf\xbf\xbf\xbf\xbf", 1),
    (b"\xfe", 1),
    (b"\xff", 1),
    (GREEK + b"\xed\xa0\x80edited", len(GREEK) + 2),
    (GREEK + b"\xf4\x90\x80\x80edited", len(GREEK) + 2),
]
CUT_SHORT_UTF8 = [b"\xdf", b"\xe0\xa0", b"\xef\xbf", b"\xf0\x90\x80", b"\xf4\x8f\xbf", GREEK[:-1]]


# 1: lengths


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65535, 65536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_messages_of_every_length_form_arrive_whole(opcode: Opcode, length: int) -> None:
    payload = b"*" * length if opcode == TEXT else bytes(range(256)) * 257
    stream = client(opcode, payload[:length])
    for size in (len(stream), 997):
        assert read(chops(stream, size)) == ([(opcode, payload[:length])], None)


def test_a_text_sent_in_frames_of_1300_bytes_arrives_whole() -> None:
    text = b"BAsd7&jh23" * 6554
    assert read([fragmented(TEXT, chops(text, 1300))]) == ([(TEXT, text)], None)


# 2: pings and pongs


@pytest.mark.parametrize(
    "payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125]
)
@pytest.mark.parametrize("opcode", [PING, PONG])
def test_pings_and_pongs_are_returned_with_any_payload(opcode: Opcode, payload: bytes) -> None:
    assert read_every_way(client(opcode, payload)) == ([(opcode, payload)], None)


def test_ten_pings_are_returned_in_order() -> None:
    payloads = [b"payload-%d" % number for number in range(10)]
    stream = b"".join(client(PING, payload) for payload in payloads)
    assert read_every_way(stream) == ([(PING, payload) for payload in payloads], None)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_control_frame_above_125_bytes_is_refused_by_its_head(opcode: Opcode) -> None:
    assert read([head(opcode, 126)]) == ([], CloseCode.PROTOCOL_ERROR)


# 3 and 4: reserved bits and opcodes


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", Opcode)
def test_a_reserved_bit_is_refused_after_what_came_before_it(opcode: Opcode, reserved: int) -> None:
    stream = client(*HELLO) + client(opcode, b"", reserved=reserved) + client(PING)
    assert read_every_way(stream) == ([HELLO], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("payload", [b"", b"reserved opcode payload"])
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_a_reserved_opcode_is_refused_after_what_came_before_it(opcode: int, payload: bytes) -> None:
    stream = client(*HELLO) + client(opcode, payload) + client(PING)
    assert read_every_way(stream) == ([HELLO], CloseCode.PROTOCOL_ERROR)


# 5: fragments


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_control_frame_in_fragments_is_refused(opcode: Opcode) -> None:
    stream = client(opcode, b"frag", fin=False) + client(CONTINUATION, b"ment")
    assert read_every_way(stream) == ([], CloseCode.PROTOCOL_ERROR)


def test_a_control_frame_between_fragments_is_returned_before_their_message() -> None:
    stream = (
        client(TEXT, b"one,", fin=False)
        + client(CONTINUATION, b"two,", fin=False)
        + client(PING, b"first")
        + client(CONTINUATION, b"three,", fin=False)
        + client(CONTINUATION, b"four,", fin=False)
        + client(PING, b"second")
        + client(CONTINUATION, b"five")
    )
    told = [(PING, b"first"), (PING, b"second"), (TEXT, b"one,two,three,four,five")]
    assert read_every_way(stream) == (told, None)


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_of_nothing_is_refused(fin: bool) -> None:
    stray = client(CONTINUATION, b"non-continuation payload", fin=fin) + client(*HELLO)
    assert read_every_way(stray) == ([], CloseCode.PROTOCOL_ERROR)
    whole = fragmented(TEXT, [b"hel", b"lo"])
    assert read_every_way(whole + stray) == ([HELLO], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_new_message_inside_a_fragmented_one_is_refused(opcode: Opcode) -> None:
    stream = client(TEXT, b"fragment1", fin=False) + client(opcode, b"fragment2")
    assert read_every_way(stream) == ([], CloseCode.PROTOCOL_ERROR)


# 6: UTF-8


@pytest.mark.parametrize("parts", [[b"", b"", b""], [b"", b"middle", b""], [b"", b""]])
def test_empty_fragments_add_nothing(parts: list[bytes]) -> None:
    assert read_every_way(fragmented(TEXT, parts)) == ([(TEXT, b"".join(parts))], None)


@pytest.mark.parametrize("text", VALID_UTF8)
def test_valid_text_is_taken_in_one_frame_and_in_frames_of_one_byte(text: bytes) -> None:
    assert read_every_way(client(TEXT, text)) == ([(TEXT, text)], None)
    assert read_every_way(fragmented(TEXT, [b"", *chops(text, 1)])) == ([(TEXT, text)], None)


@pytest.mark.parametrize(("text", "doomed"), INVALID_UTF8)
def test_invalid_text_is_refused_at_the_byte_that_spoils_it(text: bytes, doomed: int) -> None:
    assert read_every_way(client(TEXT, text)) == ([], CloseCode.INVALID_DATA)
    reader = FrameReader()
    reader.feed(head(TEXT, 1000) + b"\x11\xa7\x5c\xf3" + mask(text)[: doomed - 1])
    assert reader.failure is None
    reader.feed(mask(text)[doomed - 1 : doomed])
    assert reader.failure is not None
    assert reader.failure.code == CloseCode.INVALID_DATA


@pytest.mark.parametrize(("text", "doomed"), INVALID_UTF8)
def test_invalid_text_is_refused_without_its_last_fragments(text: bytes, doomed: int) -> None:
    frames = [client(TEXT, fin=False), *(client(CONTINUATION, part, fin=False) for part in chops(text, 1))]
    assert read(frames[:doomed]) == ([], None)
    assert read(frames[: doomed + 1]) == ([], CloseCode.INVALID_DATA)


@pytest.mark.parametrize("text", CUT_SHORT_UTF8)
def test_text_that_ends_inside_a_character_is_refused(text: bytes) -> None:
    assert read_every_way(client(TEXT, text)) == ([], CloseCode.INVALID_DATA)
    assert read_every_way(fragmented(TEXT, [*chops(text, 1), b""])) == ([], CloseCode.INVALID_DATA)


@pytest.mark.parametrize(("payload", "_"), INVALID_UTF8)
def test_binary_messages_hold_any_bytes(payload: bytes, _: int) -> None:
    assert read_every_way(client(BINARY, payload)) == ([(BINARY, payload)], None)


# 7: closing


def test_everything_after_a_close_frame_is_discarded() -> None:
    closing = client(CLOSE, b"\x03\xe8")
    later = closing + client(PING) + client(*HELLO) + client(CONTINUATION, b"fragment2")
    assert read_every_way(client(*HELLO) + closing + later) == ([HELLO, (CLOSE, b"\x03\xe8")], None)


def test_a_close_frame_inside_a_fragmented_message_ends_it() -> None:
    stream = (
        client(TEXT, b"fragment1", fin=False) + client(CLOSE, b"\x03\xe8") + client(CONTINUATION, b"rest")
    )
    assert read_every_way(stream) == ([(CLOSE, b"\x03\xe8")], None)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8Hello World!", b"\x03\xe8" + b"*" * 123])
def test_a_legal_close_payload_is_returned_raw(payload: bytes) -> None:
    assert read_every_way(client(CLOSE, payload)) == ([(CLOSE, payload)], None)


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_legal_close_codes_are_taken(code: int) -> None:
    payload = code.to_bytes(2, "big")
    assert read_every_way(client(CLOSE, payload)) == ([(CLOSE, payload)], None)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_illegal_close_codes_are_refused(code: int) -> None:
    assert read_every_way(client(CLOSE, code.to_bytes(2, "big"))) == ([], CloseCode.PROTOCOL_ERROR)


def test_half_a_close_code_is_refused() -> None:
    assert read_every_way(client(CLOSE, b"\x03")) == ([], CloseCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("reason", [text for text, _ in INVALID_UTF8] + CUT_SHORT_UTF8)
def test_a_close_reason_that_is_not_utf8_is_refused(reason: bytes) -> None:
    assert read_every_way(client(CLOSE, b"\x03\xe8" + reason)) == ([], CloseCode.INVALID_DATA)
