"""Cursors as clients write them, and the messages that both ends count."""

import json

import pytest

from tiflis.protocol import cursor
from tiflis.protocol.cursor import Cursor
from tiflis.protocol.errors import InvalidPayload


@pytest.mark.parametrize("raw", [b"", b"null"])
def test_without_a_cursor_there_is_none(raw: bytes) -> None:
    assert cursor.read(raw) is None


@pytest.mark.parametrize("raw", [b"{}", b'{"epoch":null}', b'{"other":1}'])
def test_an_empty_object_asks_for_a_new_cursor(raw: bytes) -> None:
    assert cursor.read(raw) == Cursor()


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert cursor.read(Cursor("e", 7).text()) == Cursor("e", 7)


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"7",
        b"{",
        b'{"epoch":"e"}',
        b'{"seq":1}',
        b'{"epoch":7,"seq":1}',
        b'{"epoch":"e","seq":-1}',
        b'{"epoch":"e","seq":true}',
        b'{"epoch":"e","seq":1.5}',
        b'{"epoch":"e","seq":%d}' % cursor.HIGHEST,
        b'{"epoch":"%s","seq":1}' % (b"e" * (cursor.LONGEST_EPOCH + 1)),
        b'{"epoch":"e","seq":' + b"[" * 100_000,
    ],
)
def test_a_wrong_cursor_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidPayload):
        cursor.read(raw)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"type":"ping"}', (None, None)),
        (b'{"type":"ping","seen":3,"visible":false}', (3, False)),
        (b'{"type":"ping","seen":"3","visible":0}', (None, None)),
        (b'{"type":"ping","seen":true,"visible":true}', (None, True)),
        (b"no ping", (None, None)),
    ],
)
def test_a_ping_contains_what_was_seen(text: bytes, found: tuple[int | None, bool | None]) -> None:
    assert cursor.read_ping(text) == found


def test_messages_of_the_server_itself_are_not_counted() -> None:
    assert not any(map(cursor.counts, ("pong", "connected", "tunnel.mark", "connection.workstation_online")))
    assert cursor.counts("session.output")


def test_a_mark_and_the_answer_to_resume() -> None:
    assert json.loads(cursor.mark("e", 64)) == {"type": "tunnel.mark", "epoch": "e", "seq": 64}
    assert cursor.answers(b'{"payload":{"resume":{"epoch":"e"}}}')
    assert not cursor.answers(b'{"payload":{}}')


def test_a_long_ping_or_cursor_is_not_built() -> None:
    """Its document would take twenty times as much memory, in one go."""
    many = b"[" + b"[]," * 100_000 + b"[]]"
    assert cursor.read_ping(b'{"type":"ping","visible":true,"seen":' + many + b"}") == (None, None)
    with pytest.raises(InvalidPayload):
        cursor.read(b'{"seq":' + many + b"}")
