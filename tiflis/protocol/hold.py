"""Messages that wait for a workstation that is away (docs/staying.md, section 2)."""

import re
from typing import Any

import msgspec

from tiflis.protocol import head
from tiflis.protocol.errors import InvalidPayload
from tiflis.protocol.head import Head

UNHOLD, HELD = "tunnel.unhold", "tunnel.held"
NEVER = frozenset({"session.input"})  # keys that someone typed into a terminal as it was then
LONGEST_ID = 128  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Request(msgspec.Struct, gc=False):
    """A message to hold, or a question about held ones (``kind`` UNHOLD or HELD, without a text)."""

    kind: str
    id: str
    ttl: float = 0.0  # seconds
    not_before: int = 0  # ms since 1970; 0: at once
    text: bytes = b""  # without ``hold``, and with the device's id


class _Hold(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    ttl: Any
    not_before: Any = None


_hold = msgspec.json.Decoder(_Hold)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_to_bytes = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request)


def encode(request: Request) -> bytes:
    """Return the request as it travels between workers."""
    return _to_bytes(request)


def decode(encoded: bytes) -> Request:
    return _request.decode(encoded)


def question(found: Head) -> Request:
    """Return the request of a ``tunnel.unhold`` or ``tunnel.held``. Raise InvalidPayload."""
    return Request(found.type, _id(found) if found.type == UNHOLD else "")


def read(found: Head, text: bytes, suffix: bytes, longest: float) -> Request:
    """Return the request of a message with ``hold``. ``suffix``: sets the device's id; ``longest``: the
    highest ``ttl`` in seconds. Raise InvalidPayload."""
    try:
        hold = _hold.decode(found.hold)
        fields = _fields.decode(text)
    except (ValueError, RecursionError):
        raise _wrong("hold", "an object with ttl, and not_before if it is to wait") from None
    if not _is_number(hold.ttl) or not 1 <= hold.ttl <= longest:
        raise _wrong("hold.ttl", f"seconds from 1 to {longest:g}")
    if hold.not_before is not None and not (type(hold.not_before) is int and 0 < hold.not_before < 2**53):
        raise _wrong("hold.not_before", "whole milliseconds since 1970")
    if found.type in NEVER:
        raise _wrong("hold", "a message of this type is never held")
    del fields["hold"]
    spliced = head.splice(msgspec.json.encode(fields), suffix)
    return Request(found.type, _id(found), float(hold.ttl), hold.not_before or 0, spliced)


def too_large(found: Head) -> bytes:
    """Return the receipt of a message that is refused for its size, unread. Raise InvalidPayload."""
    return receipt(_id(found), "refused", reason="too_large")


def raw_id(id: str) -> bytes:
    """Return an id as raw JSON."""
    return msgspec.json.encode(id)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _id(found: Head) -> str:
    value = head.short(found.id)
    if not value or len(value) > LONGEST_ID or _CONTROL.search(value):
        raise _wrong("id", f"a string of 1 to {LONGEST_ID} printable characters")
    return value


def _wrong(field: str, rule: str) -> InvalidPayload:
    return InvalidPayload("The message cannot be held", {field: rule})


def receipt(id: str, state: str, **more: object) -> bytes:
    """Return the receipt of a held message; ``more``: until, reason."""
    return msgspec.json.encode({"type": "tunnel.receipt", "id": id, "state": state, **more})


def listing(messages: list[dict[str, Any]] | None) -> bytes:
    """Return the list of a device's held messages; None: it cannot be told now."""
    found: dict[str, Any] = {"type": HELD, "messages": messages or []}
    return msgspec.json.encode(found | ({"unavailable": True} if messages is None else {}))


class _Ack(msgspec.Struct, gc=False):
    type: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"")


class _AckPayload(msgspec.Struct, gc=False):
    message_id: str = ""


_ack = msgspec.json.Decoder(_Ack)
_ack_payload = msgspec.json.Decoder(_AckPayload)


def acknowledged(text: bytes) -> str:
    """Return the id that a workstation's ``message.ack`` confirms; empty for any other message."""
    if len(text) > head.MAX_SHORT:
        return ""
    try:
        found = _ack.decode(text)
        return _ack_payload.decode(found.payload).message_id if found.type == "message.ack" else ""
    except (ValueError, RecursionError):
        return ""
