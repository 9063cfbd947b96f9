"""Reading costs about what the standard library's JSON reader costs, whatever the text holds.

The first work on anything that a peer sends is done in a worker's event loop, some of it before a key is
known: a text that took long to read would hold up everybody else. So each reader of the wire is timed over a
table of contents against ``json.loads`` of the same text, or of a valid one like it, in the same run.
"""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from tests.rawsocket import masked
from tiflis.protocol import head, long_text, messages, utf8
from tiflis.protocol.errors import InvalidPayload, TunnelError
from tiflis.protocol.frames import FrameReader
from tiflis.protocol.skim import Skim
from tiflis.relay.watch.digest import digest
from tiflis.web.watch_parameters import Query, check_message, read_body, read_query

MIB = 1 << 20
TIMES = 4  # the standard library's time: above it a reader is too slow; lone surrogates take up to 3.5
ROUNDS = 24  # tries to find a quiet moment; the first good one is enough

# Within a string: whatever stands there, it is skipped, copied or decoded.
STRINGS = {
    "plain": "x",
    "backslashes": r"\\",
    "quotes": r"\"",
    "newlines": r"\n",
    "slashes": r"\/",
    "letters": r"\u00e9",
    "high surrogates": r"\ud800",
    "low surrogates": r"\uDFFF",
    "lone among letters": r"\ud800x",
    "surrogates and backslashes": r"\ud800" + r"\\" * 20,
    "escaped backslashes before u": r"\\ud800",
    "pairs": r"\ud83d\ude00",
    "pairs and lone": r"\ud83d\ude00\ude00",
    "digits": "0123456789",
    "accents": "é",
    "emoji": "😀",
    "percent": "%41",
    "plus": "+",
    "parameters": "a=b&",
    "commas": ",",
    "spaces": " ",
    "braces": "{[",
}
# Within an array.
VALUES = {
    "number": "1234567890" * 100,
    "numbers": "1",
    "fractions": "-1.5e3",
    "texts": '""',
    "words": "null",
    "arrays": "[]",
    "objects": "{}",
    "members": '{"a":1}',
    "nesting": "[" * 100 + "]" * 100,
    "deep nesting": '{"a":' * 300 + "1" + "}" * 300,
    "space": " " * 1000 + "1",
    "lone": r'"\ud800"',
    "lone keys": r'{"\ud800":1}',
}
# Members of the message itself.
MEMBERS = {"keys": ',"a":1', "same keys": ',"type":"a"', "spaced": "," + " " * 100 + '"b":2'}

Units = dict[str, tuple[str, str, str]]
UNITS: Units = {
    **{f"string of {name}": ('"', unit, '"') for name, unit in STRINGS.items()},
    **{f"array of {name}": ("[", unit + ",", "0]") for name, unit in VALUES.items()},
    **{f"object of {name}": ("0", unit, "") for name, unit in MEMBERS.items()},
}


def value(unit: str, size: int) -> str:
    start, middle, end = UNITS[unit]
    return start + middle * (size // len(middle.encode())) + end


def message(unit: str, size: int, field: str = "payload", key: str = "q") -> bytes:
    return f'{{"type":"auth","{key}":0,"{field}":{value(unit, size)}}}'.encode()


def inner(unit: str, size: int) -> msgspec.Raw:
    """Return a payload that the server looks into."""
    return msgspec.Raw(f'{{"device_id":"d","auth_key":{value(unit, size)}}}'.encode())


def frame(text: bytes) -> None:
    wire, reader = masked(text), FrameReader()
    for at in range(0, len(wire), 1 << 18):
        reader.feed(wire[at : at + (1 << 18)])


def forward(text: bytes) -> None:
    head.splice_device_id(text, "d")
    head.echoable(head.peek(text).id)


def unescape(text: bytes) -> None:
    found = head.peek(text).payload
    (long_text.utf8 if len(text) > long_text.LONG else head.string)(found)


def query(text: bytes) -> None:
    asked = Query(text.decode())
    read_query(asked, {"authorization": "Bearer " + text.decode()})
    asked.keys("auth_key")


def skim(text: bytes) -> None:
    found = Skim(frozenset({"auth_key"}))
    for at in range(0, len(text), 1 << 16):
        found.feed(text[at : at + (1 << 16)])


READERS: dict[str, tuple[Callable[[Any], object], Callable[[str, int], Any]]] = {
    "utf8": (utf8.is_valid, message),
    "frame": (frame, message),
    "head": (forward, message),
    "head with a lone key": (forward, lambda unit, size: message(unit, size, key=r"\ud800")),
    "type": (head.peek, lambda unit, size: message(unit, size, field="type")),
    "id": (forward, lambda unit, size: message(unit, size, field="id")),
    "to device": (unescape, message),
    "plain to device": (
        messages.read_forward,
        lambda unit, size: (
            b'{"type":"forward.to_device","device_id":"d","payload":' + value(unit, size).encode() + b"}"
        ),
    ),
    "auth": (messages.read_auth, inner),
    "addressee": (messages.addressee, inner),
    "registration": (messages.read_registration, inner),
    "connection": (messages.read_connection, inner),
    "watch body": (read_body, lambda unit, size: message(unit, size, field="message")),
    "watch key": (read_body, lambda unit, size: message(unit, size, field="auth_key")),
    "watch message": (lambda text: check_message(text, "d"), message),
    "watch text": (digest, message),
    "watch text with a lone key": (digest, lambda unit, size: message(unit, size, key=r"\ud800")),
    "body as it comes": (skim, message),
    "body without its key": (skim, lambda unit, size: message(unit, size)[:-1]),
    "query": (query, message),
}


def seconds(work: Callable[[Any], object], text: Any) -> float:
    began = time.thread_time()
    with contextlib.suppress(TunnelError, ValueError, RecursionError):
        work(text)
    return time.thread_time() - began


# The standard library's best time of all for 1 MiB of each unit; it is linear, as the readers have to be.
standard: dict[str, float] = {}


def ratio(reader: str, unit: str, mebibytes: int) -> float:
    """Return how many times as long as the JSON reader it needs.

    At once if that is little against the JSON reader's best time of all, else against its best time of the
    same moments: beside others on a processor's core both are slower than they were in a quiet minute.
    """
    work, make = READERS[reader]
    text, own, beside = make(unit, mebibytes * MIB), float("inf"), float("inf")
    for attempt in range(ROUNDS):
        own = min(own, seconds(work, text))
        if attempt or unit not in standard:
            beside = min(beside, seconds(json.loads, bytes(message(unit, MIB))))
            standard[unit] = min(standard.get(unit, beside), beside)
        if own <= TIMES * mebibytes * standard[unit]:
            return own / (mebibytes * standard[unit])
    return own / (mebibytes * beside)


def slow(reader: str, units: Iterable[str], mebibytes: int) -> dict[str, float]:
    times = {unit: ratio(reader, unit, mebibytes) for unit in units}
    return {unit: round(many, 1) for unit, many in times.items() if many > TIMES}


@pytest.mark.parametrize("reader", READERS)
def test_no_content_makes_reading_slow(reader: str) -> None:
    assert not slow(reader, UNITS, 1)


@pytest.mark.parametrize("reader", READERS)
def test_more_of_it_takes_no_longer_per_byte(reader: str) -> None:
    assert not slow(reader, ("string of surrogates and backslashes", "array of members"), 16)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f"])
@pytest.mark.parametrize("reader", ["utf8", "frame", "watch body", "watch text"])
def test_what_is_not_utf_8_is_no_slower(reader: str, bad: bytes) -> None:
    def spoilt(unit: str, size: int) -> bytes:
        return message(unit, size)[:-2] + bad + b'"}'

    READERS["spoilt"] = (READERS[reader][0], spoilt)
    assert ratio("spoilt", "string of plain", 1) <= TIMES


def test_reading_many_lone_surrogates_takes_no_multiple_of_their_memory() -> None:
    text = message("string of high surrogates", 4 * MIB)
    for read in (head.peek, digest, read_body):
        tracemalloc.start()
        with contextlib.suppress(InvalidPayload):
            read(text)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5 * len(text)
