"""Large messages, read as they arrive: checked, and their top-level fields found, slice by slice.

Each slice is completed to a document of its own, with the containers that are open where it begins and
ends, and read by the reader of whole messages. So the work is done in the reads that bring the message, and
its last byte leaves nothing to do but to note the fields.
"""

import json
from typing import Any, NamedTuple

import msgspec

from tiflis.protocol import head, surrogates, utf8
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.head import Head

LARGE = 1 << 20  # bytes of a message above which it is read as it arrives
SLICE = 64 * 1024  # bytes read in one go
# Bytes by which a slice must get on: no key, number or white space in a large message may be longer.
LEAST = SLICE // 2
_SPACE = b" \t\r\n"
_SCALAR = b"0123456789+-.eEtrufalsn"  # the bytes of numbers, true, false and null
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_COLLAPSES = 4  # passes that remove empty containers in C, before the other brackets are counted one by one
_TAIL = 64  # bytes of a string below which the next slice begins with all of them

_ARRAY, _OBJECT = ord("["), ord("{")
_CLOSERS = {_ARRAY: b"]", _OBJECT: b"}"}
_AROUND = {_ARRAY: b"[", _OBJECT: b'{"":'}
# Between two slices stands one of these marks: an opening bracket, a comma, `v`, a whole value, or `"`, a
# string that is a value and goes on. By it and the container: the beginning of the next slice's document, and
# the end of the last one's, with one of two fillers for what is still to come.
_BEGINNINGS = {
    _ARRAY: {"[": b"[", "v": b'[""', ",": b'["",', '"': b'["'},
    _OBJECT: {"{": b"{", "v": b'{"":""', ",": b'{"":"",', '"': b'{"":"'},
}
_ENDS = {
    _ARRAY: {"[": b"%b", "v": b",%b", ",": b"%b", '"': b'%b"'},
    _OBJECT: {"{": b'"":%b', "v": b',"":%b', ",": b'"":%b', '"': b'%b"'},
}
_FILLERS = (b"0", b"1")
_BEFORE_KEY = ("{", ",")

_ABSENT = msgspec.Raw(b"")
_FIELDS = Head.__struct_fields__
_slice: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct("_Slice", [(name, msgspec.Raw, _ABSENT) for name in _FIELDS])
)
_json = json.JSONDecoder(parse_int=str, parse_float=str)


class _Cut(NamedTuple):
    """The end of a slice."""

    at: int  # bytes of the window in front of it; 0: it needs more
    mark: str
    stack: bytes  # the opening brackets of the containers that are open
    ended: bool  # the member's value that was under way has ended


class _NotJson(ValueError):
    """Tell that the message is not JSON, or nothing like a message."""


class Scan:
    """Reads one message. ``head`` returns its head once all of it has been fed."""

    __slots__ = ("_at", "_began", "_binary", "_failure", "_found", "_mark", "_open", "_rest", "_stack")

    def __init__(self, binary: bool = False) -> None:
        """``binary``: whether the bytes are UTF-8 has not been checked."""
        self._binary = binary
        self._rest = bytearray()  # arrived, and not yet read
        self._at = 0  # offset of `_rest` in the message
        self._stack = b""
        self._mark = ""  # empty before the object
        self._found: dict[str, msgspec.Raw | tuple[int, int]] = {}  # a field's value, or where it stands
        self._open = ""  # the field whose value is under way; empty if none of `_FIELDS`
        self._began = 0  # offset of that value
        self._failure: InvalidPayload | None = None

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes; the last ones are kept until a slice is full."""
        at = 0
        while at < len(chunk) and self._failure is None:
            room = SLICE - len(self._rest)
            self._rest += chunk[at : at + room]
            at += room
            if not self._stack:
                self._outside()
            if self._stack and len(self._rest) >= SLICE:
                self._next(LEAST)

    def head(self, text: bytes) -> Head:
        """Return the head of the message, ``text``. Raise InvalidPayload as ``head.peek`` does."""
        if self._stack and self._rest and self._failure is None:
            self._next(1)
        if not self._stack and self._failure is None:
            self._outside()
        if self._failure is None and (self._stack or not self._mark):
            self._failure = InvalidPayload("The message is not JSON")
        if self._failure is not None:
            raise self._failure
        whole = memoryview(text)
        values = {
            name: msgspec.Raw(whole[slice(*value)]) if isinstance(value, tuple) else value
            for name, value in self._found.items()
        }
        kind = head.short(values.pop("type", _ABSENT))
        if kind is None:
            raise head.no_message(values.get("id", _ABSENT))
        return Head(kind, **values)

    def _next(self, least: int) -> None:
        """Read one slice of at least so many bytes."""
        window = bytes(self._rest)
        try:
            taken = self._read(window)
            if taken < least:
                raise _NotJson
        except (ValueError, RecursionError):
            self._failure = InvalidPayload("The message is not JSON")
            taken = len(window)
        self._at += taken
        del self._rest[:taken]

    def _read(self, window: bytes) -> int:
        if self._mark == '"' and b'"' not in window and len(window) > _TAIL:
            return self._within_string(window)
        cut = self._cut(window)
        beginning = _beginning(self._stack, self._mark)
        text = beginning + window[: cut.at]
        if self._binary and not utf8.is_valid(text):
            raise _NotJson
        found = _fields(text, cut, _FILLERS[0])
        if cut.ended:
            self._note(text, found, window, cut, len(beginning))
        self._stack, self._mark = cut.stack, cut.mark
        return cut.at

    def _within_string(self, window: bytes) -> int:
        """Read a part of a string that has neither of its ends, with fewer copies."""
        at = surrogates.cut(window, len(window) - 1)
        text = b'{"":"%b"}' % window[:at]
        if self._binary and not utf8.is_valid(text):
            raise _NotJson
        head.fields(_slice, text)
        return at

    def _outside(self) -> None:
        """Pass over white space before the object or behind it, and the object's brace."""
        rest = self._rest.lstrip(_SPACE)
        if rest and (self._mark or rest[0] != _OBJECT):
            self._failure = InvalidPayload("The message is not JSON") if self._mark else head.no_message()
            return
        self._at += len(self._rest) - len(rest) + bool(rest)
        if rest:
            self._stack, self._mark = b"{", "{"
        self._rest = rest[1:]

    # Where a slice ends

    def _cut(self, window: bytes) -> _Cut:
        inside = self._mark == '"'
        # Without what is escaped every quote begins or ends a string.
        parts = window.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
        stack, lowest = _nested(self._stack, b"".join(parts[inside::2]))
        under_way = inside or len(self._stack) > 1
        ended = not under_way or (lowest <= 1 if len(self._stack) > 1 else len(parts) > 1)
        if not stack:
            return _Cut(len(window), "v", stack, ended)
        if (inside + len(parts)) % 2:
            at, mark = self._outside_string(window, parts, stack)
        else:
            at, mark = self._inside_string(window, parts, stack)
        return _Cut(at, mark, stack, ended)

    def _inside_string(self, window: bytes, parts: list[bytes], stack: bytes) -> tuple[int, str]:
        """Cut a slice that ends in a string: in front of a key, within a value."""
        start = len(window) - len(parts[-1])
        if len(parts) > 1 and self._is_key(parts, len(parts) - 2, stack):
            return start - 1, self._mark_at(parts, len(parts) - 2)
        if len(parts[-1]) < _TAIL:
            return start, '"'
        return start + surrogates.cut(window[start:], len(parts[-1]) - 1), '"'

    def _outside_string(self, window: bytes, parts: list[bytes], stack: bytes) -> tuple[int, str]:
        """Cut a slice that ends in no string: never within a number, or between a key and its value."""
        last = len(parts) - 1
        kept = parts[last].rstrip(_SCALAR)
        at = len(window) - len(parts[last]) + len(kept)
        ending = kept.rstrip(_SPACE)
        if last > 1 and ending.lstrip(_SPACE) in (b"", b":") and self._is_key(parts, last - 2, stack):
            key = len(window) - len(parts[last]) - len(parts[last - 1]) - 2
            return key, self._mark_at(parts, last - 2)
        return at, self._mark_at([*parts[:last], kept], last)

    def _is_key(self, parts: list[bytes], before: int, stack: bytes) -> bool:
        """Return whether the string behind a part is a member's key."""
        return stack[-1] == _OBJECT and self._mark_at(parts, before) in _BEFORE_KEY

    def _mark_at(self, parts: list[bytes], index: int) -> str:
        """Return the mark at the end of a part, which is in no string."""
        text = parts[index].rstrip(_SPACE)
        if not text:
            return "v" if index else self._mark
        mark = chr(text[-1])
        return mark if mark in "[{,:" else "v"

    # Fields

    def _note(self, text: bytes, found: Any, window: bytes, cut: _Cut, prefix: int) -> None:
        """Note the fields that a slice has, and where one ends or begins whose value is longer."""
        if self._open:
            inner = _beginning(self._stack[1:], self._mark) if len(self._stack) > 1 else b'"'
            self._found[self._open] = self._began, self._at + _end(inner, window[: cut.at])
            self._open = ""
        for name in _FIELDS:
            value = getattr(found, name)
            if memoryview(value).nbytes:
                self._found[name] = value
        if cut.mark == '"' or len(cut.stack) > 1:
            other = _fields(text, cut, _FILLERS[1])
            for name in _FIELDS:
                value = bytes(getattr(found, name))
                if value != bytes(getattr(other, name)):
                    ending = len(_ending(cut, _FILLERS[0]))
                    self._open = name
                    self._began = self._at + len(text) + ending - 1 - len(value) - prefix


def _beginning(stack: bytes, mark: str) -> bytes:
    return b"".join(_AROUND[bracket] for bracket in stack[:-1]) + _BEGINNINGS[stack[-1]][mark]


def _ending(cut: _Cut, filler: bytes) -> bytes:
    if not cut.stack:
        return b""
    closers = b"".join(_CLOSERS[bracket] for bracket in reversed(cut.stack))
    return _ENDS[cut.stack[-1]][cut.mark] % filler + closers


def _fields(text: bytes, cut: _Cut, filler: bytes) -> Any:
    """Return the fields in a slice. Raise ValueError or RecursionError if it is not JSON."""
    try:
        return head.fields(_slice, text + _ending(cut, filler))
    except KeyError:
        raise _NotJson from None


def _nested(stack: bytes, outside: bytes) -> tuple[bytes, int]:
    """Return the containers that are open behind what stands outside of strings, and their least number."""
    brackets = outside.translate(None, _NO_BRACKETS)
    for _ in range(_COLLAPSES):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    left, lowest = bytearray(stack), len(stack)
    for bracket in brackets:
        if bracket in _CLOSERS:
            left.append(bracket)
        elif not left:
            raise _NotJson
        else:
            left.pop()
            lowest = min(lowest, len(left))
    return bytes(left), lowest


def _end(beginning: bytes, window: bytes) -> int:
    """Return where in ``window`` a value ends that goes on there behind ``beginning``."""
    text = (beginning + window).decode()
    _, end = _json.raw_decode(text)
    return len(text[:end].encode()) - len(beginning)
