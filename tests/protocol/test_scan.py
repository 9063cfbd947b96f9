"""Large messages, read slice by slice while they arrive, have the heads that the whole text has."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from time import thread_time

import pytest
from pytest import MonkeyPatch

from tests.rawsocket import masked
from tiflis.protocol import head, scan
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.frames import FrameReader, Opcode
from tiflis.protocol.head import Head

MIB = 1 << 20
SCALARS = ["1", "-1.5e3", "true", "null", '"a"', '""', "[]", "{}", r'"\\"', r'"\""', r'"\ud83d\ude00é😀"']
NAMES = ["type", r"t\u0079pe", "payload", "id", "device_id", "", "x", r"pay\u006coad", r"b\"c"]


def read(pieces: Iterable[bytes], text: bytes) -> Head:
    reader = scan.Scan()
    for piece in pieces:
        reader.feed(piece)
    return reader.head(text)


def fields(found: Head) -> list[bytes]:
    return [found.type.encode(), *(bytes(getattr(found, name)) for name in Head.__struct_fields__[1:])]


def value(chance: random.Random, depth: int = 0) -> str:
    kind = chance.random()
    if depth > 4 or kind < 0.3:
        return chance.choice(SCALARS)
    if kind < 0.5:
        marks = ["a", "é", "😀", r"\n", r"\\", r"\"", r"\ud83d", "[", "}", ",", ":"]
        return '"' + "".join(chance.choices(marks, k=chance.randrange(200))) + '"'
    inner = [value(chance, depth + 1) for _ in range(chance.randrange(8))]
    if kind < 0.75:
        return "[" + chance.choice([",", " ,\n"]).join(inner) + "]"
    return "{" + ",".join(f'"{chance.choice(NAMES)}": {one}' for one in inner) + "}"


def message(chance: random.Random) -> bytes:
    members = [f'"{chance.choice(NAMES)}":{value(chance)}' for _ in range(chance.randrange(6))]
    members.insert(chance.randrange(len(members) + 1), '"type":"a.b"')
    return f" {{{','.join(members)}}}\n".encode()


def spoilt(chance: random.Random, text: bytes) -> bytes:
    characters = text.decode()
    at = chance.randrange(len(characters))
    other = chance.choice(["", "[", "}", '"', ",", "\\", "1"])
    return (characters[:at] + other + characters[at + 1 :]).encode()


@pytest.mark.parametrize("seed", range(8))
def test_a_message_in_slices_reads_like_the_whole(seed: int, monkeypatch: MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(scan, "LEAST", 1)
    for _ in range(60):
        text = message(chance)
        text = spoilt(chance, text) if chance.random() < 0.4 else text
        monkeypatch.setattr(scan, "SLICE", chance.choice([256, 512, 1024]))
        step = chance.choice([1, 7, 300, 4096])
        pieces = [text[at : at + step] for at in range(0, len(text), step)]
        try:
            whole: list[bytes] | None = fields(head.peek(text))
        except InvalidPayload:
            whole = None
        try:
            sliced: list[bytes] | None = fields(read(pieces, text))
        except InvalidPayload:
            sliced = None
        assert sliced == whole, text


@pytest.mark.parametrize(
    ("begin", "unit", "end"),
    [
        ("{", '"k":1,', '"z":0}'),
        ("[", "[],", "0]"),
        ("[", '{"a":1},', "0]"),
        ("[", '"",', "0]"),
        ('"', r"\\", '"'),
        ('"', r"\ud83d", '"'),
    ],
)
def test_the_last_byte_of_a_large_message_leaves_little_to_do(begin: str, unit: str, end: str) -> None:
    inner = begin + unit * (8 * MIB // len(unit)) + end
    text = b'{"type":"a.b","payload":' + inner.encode() + b"}"
    began = thread_time()
    head.peek(text)
    whole = thread_time() - began
    reader, wire, events = FrameReader(), masked(text), []
    for at in range(0, len(wire), 1 << 18):
        began = thread_time()
        events += reader.feed(wire[at : at + (1 << 18)])
    ((_, payload),) = events
    found = reader.head(payload)
    assert thread_time() - began < whole  # as long as the whole takes in one go
    assert bytes(found.payload) == inner.encode()


def test_a_large_binary_message_that_is_no_text_is_refused() -> None:
    reader = FrameReader()
    bad = b'{"type":"a.b","payload":"' + b"x" * MIB + b'\xff"}'
    ((_, text),) = reader.feed(masked(bad, 0x80 | Opcode.BINARY))
    with pytest.raises(InvalidPayload):
        reader.head(text)


def test_a_large_message_goes_on_being_read_in_another_process() -> None:
    text = json.dumps({"type": "a.b", "id": 7, "payload": ["é\\" * MIB, {"type": "c"}]}).encode()
    wire, reader = masked(text), FrameReader()
    reader.feed(wire[: MIB + 11])
    reader = FrameReader.restore(reader.export())
    ((_, whole),) = reader.feed(wire[MIB + 11 :])
    assert fields(reader.head(whole)) == fields(head.peek(text))


@pytest.mark.parametrize(("unit", "long"), [('"%s":1', "k"), ('"a":%s', "1"), ('"a"%s:1', " ")])
def test_a_key_or_a_number_of_a_large_message_has_a_bound(unit: str, long: str) -> None:
    text = f'{{"type":"a.b",{unit % (long * MIB)},"pad":"{"x" * MIB}"}}'.encode()
    with pytest.raises(InvalidPayload):
        read([text], text)
