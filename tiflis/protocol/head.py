"""Heads of messages: their top-level fields, found without building the document.

A message is JSON text in UTF-8 bytes. Where it is forwarded it stays the text that came: ``device_id``
is set by splicing, numbers keep their digits.
"""

import json
from typing import Any, NoReturn, TypeVar

import msgspec

from tiflis.protocol import surrogates
from tiflis.protocol.errors import InvalidPayload

_ABSENT = msgspec.Raw(b"")
_SPACE = b" \t\r\n"
# An id longer than this is not remembered for routing its answer.
MAX_REMEMBERED_ID = 256
# Bytes of JSON; no key, id or type is longer. The whole message of a peer without a role may have as many.
MAX_SHORT = 64 * 1024
# An id longer than this is not even echoed.
MAX_ECHOED_ID = 4096


class Head(msgspec.Struct, gc=False):
    """A message's top-level fields as raw JSON; an absent one is empty. The last of duplicate keys counts."""

    type: str
    id: msgspec.Raw = _ABSENT
    device_id: msgspec.Raw = _ABSENT
    payload: msgspec.Raw = _ABSENT
    timestamp: msgspec.Raw = _ABSENT
    streaming_message_id: msgspec.Raw = _ABSENT
    hold: msgspec.Raw = _ABSENT


_head = msgspec.json.Decoder(Head)
# The same with a ``type`` of any kind.
_loose: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct("_Loose", [(name, msgspec.Raw, _ABSENT) for name in Head.__struct_fields__])
)
_text = msgspec.json.Decoder(str)
Fields = TypeVar("Fields", bound=msgspec.Struct)


def peek(text: bytes) -> Head:
    """Return a message's head. Raises InvalidPayload for all but a JSON object with a string ``type``."""
    try:
        return _head.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _peek_again(text)


def _peek_again(text: bytes) -> Head:
    """Read what the first look refuses although it may be legal: lone surrogates in a key, and a ``type``
    that is there more than once. Still no document is built: a hostile one would take 20 times its size."""
    try:
        found = fields(_loose, text)
    except msgspec.ValidationError:
        raise no_message() from None
    except (ValueError, RecursionError):
        raise InvalidPayload("The message is not JSON") from None
    kind = short(found.type)
    if kind is None:
        raise no_message(found.id)
    return Head(kind, *(getattr(found, name) for name in Head.__struct_fields__[1:]))


def fields(decoder: msgspec.json.Decoder[Fields], text: bytes | msgspec.Raw) -> Fields:
    """Read an object's fields as they came, surrogates and all. ``decoder``: of a struct of ``msgspec.Raw``.

    Raises msgspec.ValidationError for what is no object, ValueError or RecursionError for what is not JSON.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # it refuses lone surrogates
        text = bytes(text)
        buffer = surrogates.hidden(text)
        found = decoder.decode(buffer)
        buffer[:] = text  # the fields are views of the buffer
        return found


def no_message(request: msgspec.Raw = _ABSENT) -> InvalidPayload:
    problem = InvalidPayload(
        "A message is a JSON object with a string type", {"type": "a string is required"}
    )
    problem.request = echoable(request)
    return problem


class Number:
    """A number's own digits: converting them could lose some, or take for ever."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits


def _loads(text: bytes) -> Any:
    """Build the document, numbers as the digits they came in. Raises InvalidPayload."""
    try:
        # Decoded here: of bytes it would guess that they might be UTF-16.
        decoded = text.decode()
        return json.loads(decoded, parse_int=Number, parse_float=Number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidPayload("The message is not JSON") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _dumps(value: Any) -> bytes:
    if isinstance(value, Number):
        return value.digits.encode()
    if isinstance(value, dict):
        return b"{" + b",".join(_dumps(str(k)) + b":" + _dumps(v) for k, v in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(_dumps, value)) + b"]"
    return json.dumps(value).encode()


def _first(raw: msgspec.Raw) -> bytes:
    return bytes(memoryview(raw)[:1])


def string(raw: msgspec.Raw) -> str | None:
    """Return the string that a raw field holds, lone surrogates replaced by U+FFFD; None if it holds none."""
    try:
        return _text.decode(raw)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        if _first(raw) != b'"':
            return None
    try:
        return surrogates.string(bytes(raw)).decode()
    except ValueError:
        raise InvalidPayload("The message is not JSON") from None


def short(raw: msgspec.Raw) -> str | None:
    """Return as ``string`` does, for a key, an id or a type; None for what is too long to be one."""
    return string(raw) if len(raw) <= MAX_SHORT else None


def is_unicode(raw: msgspec.Raw) -> bool:
    """Return whether a raw field's string, if it is one, has no lone surrogate."""
    try:
        _text.decode(raw)
    except msgspec.ValidationError:
        return True
    except ValueError:
        return False
    return True


def echoable(raw: msgspec.Raw) -> bytes:
    """Return a message's ``id`` as it came, for an error that answers it; empty if absent or too long."""
    return bytes(raw) if raw and len(raw) <= MAX_ECHOED_ID else b""


def request_id(text: bytes) -> bytes:
    """Return a message's raw ``id`` in a form that can be compared; empty if it has none to remember."""
    if not text or len(text) > MAX_REMEMBERED_ID or text == b"null":
        return b""
    return _dumps(_loads(text)) if b"\\" in text else text


def is_number(raw: msgspec.Raw) -> bool:
    first = _first(raw)
    return bool(first) and first in b"-0123456789"


def device_suffix(device_id: str) -> bytes:
    """Return an object's end by which its last, and therefore valid, ``device_id`` is this one."""
    return b',"device_id":' + _dumps(device_id) + b"}"


def splice(text: bytes, suffix: bytes) -> bytes:
    """End the object ``text`` (never an empty one) with ``suffix`` in place of its closing brace."""
    if text.endswith(b"}"):
        return text[:-1] + suffix
    return text.rstrip(_SPACE)[:-1] + suffix


def splice_device_id(text: bytes, device_id: str) -> bytes:
    return splice(text, device_suffix(device_id))
