"""A long JSON string becomes the same text as a short one, wherever it is cut."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from tiflis.protocol import head, long_text

BITS = ("a", "ä", "€", "😀", "\\n", '\\"', "\\\\", "\\u20ac", "\\ud83d\\ude00", "\\ud800", "b" * 30)


def whole(raw: bytes) -> bytes | None:
    text = head.string(msgspec.Raw(raw))
    return None if text is None else text.encode()


@pytest.mark.parametrize("seed", range(40))
def test_pieces_make_the_same_text(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_text, "PIECE", 20)
    dice = random.Random(seed)
    raw = ('"' + "".join(dice.choices(BITS, k=dice.randrange(300))) + '"').encode()
    assert long_text.utf8(msgspec.Raw(raw)) == whole(raw)


@pytest.mark.parametrize("raw", [b"", b"1", b"null", b'{"a":"b"}', b'["a"]'])
def test_what_is_no_string_is_none(raw: bytes) -> None:
    assert long_text.utf8(msgspec.Raw(raw)) is None


def test_a_text_of_nothing_but_escapes_is_read_at_once() -> None:
    raw = json.dumps("\n" * (1 << 20)).encode()
    assert long_text.utf8(msgspec.Raw(raw)) == b"\n" * (1 << 20)
