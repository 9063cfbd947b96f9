"""The one look at a message beside Python's own JSON reader, which builds the whole document."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

from tiflis.protocol import head, long_text
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.head import Head
from tiflis.relay.watch.digest import digest
from tools.fuzz.script import Script

DEVICE = 'phone "1"\u2028'
# Deeper ones may be refused: msgspec and Python differ in where they give up.
DEPTH = 100
WORDS = (
    '"type"',
    '"id"',
    '"device_id"',
    '"payload"',
    '"streaming_message_id"',
    '"timestamp"',
    '"\\u0074ype"',
    '"device\\u005fid"',
    '{"type":"x"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\\\ud800"',
    "1e400",
    "-0",
    "NaN",
    "Infinity",
    "true",
    "null",
)


NAMES = (
    b'"type"',
    b'"id"',
    b'"device_id"',
    b'"payload"',
    b'"streaming_message_id"',
    b'"timestamp"',
    b'"\\u0074ype"',
    b'"device\\u005fid"',
    b'"other"',
)
VALUES = (
    b'"x"',
    b"0",
    b"-1.50e+3",
    b"1e400",
    b"null",
    b"true",
    b"NaN",
    b"01",
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\\\\ud800"',
    b'"\\"\\u0031"',
    b'{"device_id":"y","auth_key":"z"}',
    b"[]",
)
SPACE = (b"", b"", b" ", b"\r\n\t")


HALF_ESCAPE = re.compile(r"\\u[dD](?![0-9a-fA-F]{3})")


class Number(str):
    """A number's own digits."""


def heads(data: bytes) -> None:
    """The target. Text frames are UTF-8 by the time their head is read, and binary ones are checked."""
    script = Script(data)
    data = _object(script) if script.byte() & 1 else script.rest()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        digest(data)
        return
    document = expected(text)
    if document is None and HALF_ESCAPE.search(text):
        return  # relayed or refused: their digits are not looked at beside lone surrogates
    try:
        found = head.peek(data)
    except InvalidPayload:
        assert document is None or nested(data), f"refused: {data!r}"
        assert digest(data) is None or document is None or nested(data) or "type" in text
        return
    assert document is not None, f"taken: {data!r}"
    _same(found, document)
    _spliced(data, document)
    _digested(data, document)


def _object(script: Script, depth: int = 0) -> bytes:
    """Return an object, most of the time a legal one."""
    members = []
    for _ in range(script.byte() % 6):
        name, space = script.choice(NAMES), script.choice(SPACE)
        members.append(space + name + b":" + _value(script, depth) + space)
    return b"{" + b",".join(members) + b"}" + script.choice(SPACE)


def _value(script: Script, depth: int) -> bytes:
    kind = script.byte() % 8
    if kind == 0:
        return b'"' + script.piece() + b'"'
    if kind == 1 and depth < 5:
        return _object(script, depth + 1)
    if kind == 2 and depth < 5:
        return b"[" + _value(script, depth + 1) + b"," + _value(script, depth + 1) + b"]"
    return script.choice(VALUES)


def expected(text: str) -> dict[str, Any] | None:
    """Return the message by Python's reader; None if it is none."""
    try:
        document = loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and type(document.get("type")) is str else None


def loads(text: str) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def nested(data: bytes) -> bool:
    return data.count(b"[") + data.count(b"{") > DEPTH


def whole(value: Any) -> Any:
    """Lone surrogates replaced, as whoever reads them has to."""
    if type(value) is str:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {whole(name): whole(item) for name, item in value.items()}
    return value


def _same(found: Head, document: dict[str, Any]) -> None:
    assert whole(found.type) == whole(document["type"])
    for name in Head.__struct_fields__[1:]:
        raw: msgspec.Raw = getattr(found, name)
        assert bool(bytes(raw)) is (name in document), name
        if name not in document:
            continue
        value = document[name]
        assert whole(loads(bytes(raw).decode())) == whole(value), name
        assert head.string(raw) == (whole(value) if type(value) is str else None), name
        assert _in_pieces(raw) == (whole(value).encode() if type(value) is str else None), name
        assert head.is_number(raw) is isinstance(value, Number), name
    for request in (head.echoable(found.id), bytes(found.id)):
        known = head.request_id(request)
        assert not known or whole(loads(known.decode())) == whole(document["id"])


def _in_pieces(raw: msgspec.Raw) -> bytes | None:
    """Return a string as long ones are read, in pieces of few bytes."""
    kept, long_text.PIECE = long_text.PIECE, 16
    try:
        return long_text.utf8(raw)
    finally:
        long_text.PIECE = kept


def _spliced(data: bytes, document: dict[str, Any]) -> None:
    """Check that all bytes up to the closing brace are as they were, and that one device id counts."""
    spliced = head.splice_device_id(data, DEVICE)
    before = data.rstrip(b" \t\r\n")[:-1]
    assert spliced.startswith(before)
    assert json.loads(b"{" + spliced[len(before) + 1 :]) == {"device_id": DEVICE}
    assert loads(spliced.decode()) == {**document, "device_id": DEVICE}


def _digested(data: bytes, document: dict[str, Any]) -> None:
    """Check that a watch's form of the text says the same, without lone surrogates."""
    queued = digest(data)
    if queued is None:
        assert nested(data)
        return
    assert loads(queued[0].decode()) == whole(document)
