"""Text checked in pieces is valid exactly when the whole is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.wire import chops
from tiflis.protocol import utf8

# Long and short characters side by side, and their broken halves.
mixed = st.lists(st.text(max_size=5).map(str.encode) | st.binary(max_size=3), max_size=8).map(b"".join)


def valid_whole(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def valid_in_pieces(text: bytes, size: int) -> bool:
    carry = b""
    try:
        for piece in chops(text, size):
            carry = utf8.advance(carry, piece)
            assert len(carry) <= 3
    except UnicodeDecodeError:
        return False
    return not carry


@settings(deadline=None)
@given(mixed, st.integers(1, 7))
def test_any_bytes_in_any_pieces_get_the_verdict_of_the_whole(text: bytes, size: int) -> None:
    assert valid_in_pieces(text, size) == utf8.is_valid(text) == valid_whole(text)


def test_every_code_point_is_judged_alike_in_pieces() -> None:
    text = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)])).encode()
    assert utf8.is_valid(text)
    assert valid_in_pieces(text, 1021)


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("last", [b"", b"\xf0\x9f", b"\xff"])
def test_a_long_text_is_judged_to_its_last_byte(offset: int, last: bytes) -> None:
    text = b"a" * offset + "😀".encode() * utf8.PIECE + last
    assert utf8.is_valid(text) == (last == b"")
    assert valid_in_pieces(text, 3 * utf8.PIECE) == (last == b"")


@pytest.mark.parametrize("lead", range(0xD8, 0xE0))
def test_a_surrogate_is_refused_at_its_second_byte(lead: int) -> None:
    surrogate = chr(lead << 8).encode("utf-8", "surrogatepass")
    with pytest.raises(UnicodeDecodeError):
        utf8.advance(surrogate[:1], surrogate[1:2])
