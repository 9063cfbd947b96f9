"""Valid ids, and the form of new ones (protocol, section 2)."""

import pytest

from tiflis.protocol.ids import MAX_DEVICE_ID, TUNNEL_ID_LENGTH, is_device_id, is_tunnel_id, tunnel_id_from

HOSTILE = ["", "*", ">", "a.b", "a b", "a\r\nb", "a\n", "\0", "é", "a/b", "a" * 65, "a" * 10_000, "$SYS"]


@pytest.mark.parametrize("text", ["a", "-", "_", "A1-_z", "a" * 64])
def test_tunnel_ids(text: str) -> None:
    assert is_tunnel_id(text)


@pytest.mark.parametrize("text", [*HOSTILE, None, 12, b"abc", ["abc"]])
def test_what_is_no_tunnel_id(text: object) -> None:
    assert not is_tunnel_id(text)


def test_a_new_id_is_twelve_characters_of_the_alphabet() -> None:
    ids = {tunnel_id_from(bytes([byte] * TUNNEL_ID_LENGTH)) for byte in range(256)}
    assert all(is_tunnel_id(new) and len(new) == 12 for new in ids)


def test_every_character_is_equally_likely() -> None:
    first = [tunnel_id_from(bytes([byte] * TUNNEL_ID_LENGTH))[0] for byte in range(256)]
    assert {first.count(character) for character in first} == {256 // 64}


@pytest.mark.parametrize("text", ["a", "*", ">", "a.b", "телефон", "x" * MAX_DEVICE_ID, "a b"])
def test_device_ids(text: str) -> None:
    """They never become part of a subject, so only what cannot be shown is refused."""
    assert is_device_id(text)


@pytest.mark.parametrize("text", ["", "a\r\nb", "a\0b", "\x7f", "x" * (MAX_DEVICE_ID + 1), "\ud800"])
def test_what_is_no_device_id(text: str) -> None:
    assert not is_device_id(text)
