"""Parameters of a watch's call from its body, query or headers: credentials and numbers, all checked."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

import msgspec

from tiflis.protocol import head, messages, states, utf8
from tiflis.protocol.errors import InvalidPayload, MissingParameters
from tiflis.protocol.ids import is_device_id, is_tunnel_id

LONGEST_QUERY = 16 * 1024  # characters: as many as a request's header may have
NUMBER_LIMIT = 2**63 - 1  # larger numbers count as this one, which is far above every sequence number

NOT_ITS_OWN = "The auth message is not this watch's own"

_NUMBER = re.compile(r"[0-9]{1,40}")
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?")
_BEARER = re.compile(r"bearer +(\S.*)", re.IGNORECASE)
_HEADERS = {"tunnel_id": "x-tunnel-id", "device_id": "x-device-id"}
_ABSENT = msgspec.Raw(b"")


class Credentials(NamedTuple):
    """``auth_keys``: possible readings of the key, best first: a ``+`` in a query may stand for a space."""

    tunnel_id: str
    auth_keys: list[str]
    device_id: str


class Poll(NamedTuple):
    since: int
    ack: int
    wait: float  # seconds


class _Body(msgspec.Struct, gc=False):
    tunnel_id: msgspec.Raw = _ABSENT
    auth_key: msgspec.Raw = _ABSENT
    device_id: msgspec.Raw = _ABSENT
    message: msgspec.Raw = _ABSENT


_body = msgspec.json.Decoder(_Body)


def credentials(tunnel_id: str, auth_keys: list[str], device_id: str) -> Credentials:
    """Return the credentials after checks. Raise MissingParameters or InvalidPayload."""
    if not (tunnel_id and device_id and any(auth_keys)):
        raise MissingParameters
    if not is_tunnel_id(tunnel_id):
        raise InvalidPayload("tunnel_id may hold 1 to 64 letters, digits, _ and -")
    if not is_device_id(device_id):
        raise InvalidPayload("device_id may hold 1 to 512 printable characters")
    return Credentials(tunnel_id, auth_keys, device_id)


# A body


def read_body(body: bytes, found: Credentials | None = None) -> tuple[Credentials, bytes]:
    """Return the credentials, and the raw JSON of ``message``, empty without one.

    ``found``: the credentials in the headers, if there are any; then those in the body are ignored.
    """
    if not body or body.isspace():
        if found is None:
            raise MissingParameters
        return found, b""
    fields = _fields(body)
    found = found or credentials(
        _text(fields, "tunnel_id"), [_text(fields, "auth_key")], _text(fields, "device_id")
    )
    return found, bytes(fields.message)


def _fields(body: bytes) -> _Body:
    try:
        if utf8.is_valid(body):
            return head.fields(_body, body)
    except (ValueError, RecursionError):
        pass
    raise InvalidPayload("The body must be a JSON object")


def _text(fields: _Body, name: str) -> str:
    raw: msgspec.Raw = getattr(fields, name)
    value = head.short(raw)
    if value is None and bytes(raw) not in (b"", b"null"):
        raise InvalidPayload(f"{name} must be a string, and no longer than {head.MAX_SHORT} bytes")
    return value or ""


def check_message(text: bytes, device_id: str, found: head.Head | None = None) -> str | None:
    """Return the key in an ``auth`` message, which has to be compared; None for other messages. ``found``:
    the head, if it has been read.

    Raise InvalidPayload unless this watch may send the message.
    """
    if not text:
        raise InvalidPayload("message is required: an object with a string type")
    found = found or head.peek(text)
    act = states.act(states.Role.CLIENT, found.type)
    if act in (states.Act.REFUSE, states.Act.HELD):
        raise InvalidPayload("A watch may not send a message of this type")
    if act is not states.Act.CHECK_AUTH:
        return None
    key, device = messages.read_auth(found.payload)
    if device != device_id:
        raise InvalidPayload(NOT_ITS_OWN)
    return key


# A query


class Query:
    """A query string's parameters. A repeated one is refused: parsers differ on which of them counts."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST_QUERY:
            raise InvalidPayload("The query is too long")
        self._raw: dict[str, str] = {}
        for part in filter(None, text.split("&")):
            name, _, value = part.partition("=")
            name = _decoded(unquote_plus, name)
            if name in self._raw:
                raise InvalidPayload("A query parameter is there more than once")
            self._raw[name] = value

    def text(self, name: str) -> str:
        """Decode a value whose ``+`` is a plus: the watch's HTTP library leaves it raw."""
        return _decoded(unquote, self._raw.get(name, ""))

    def keys(self, name: str) -> list[str]:
        """Return a value's possible readings: by the standard, with each ``+`` kept, with spaces as ``+``."""
        raw = self._raw.get(name, "")
        book = _decoded(unquote_plus, raw)
        return list(dict.fromkeys([book, _decoded(unquote, raw), book.replace(" ", "+")]))

    def number(self, name: str) -> int:
        if name not in self._raw:
            return 0
        text = self.text(name)
        if not _NUMBER.fullmatch(text):
            raise InvalidPayload(f"{name} must be a whole number, 0 or more")
        return min(int(text), NUMBER_LIMIT)

    def seconds(self, name: str, limit: float) -> float:
        if name not in self._raw:
            return 0.0
        text = self.text(name)
        if not _SECONDS.fullmatch(text) or float(text) > limit:
            raise InvalidPayload(f"{name} must be a number of seconds, 0 to {limit:g}")
        return float(text)


def _decoded(decode: Callable[..., str], text: str) -> str:
    try:
        return decode(text, errors="strict")
    except UnicodeDecodeError:
        raise InvalidPayload("The query is not UTF-8") from None


def read_headers(headers: Mapping[str, str]) -> Credentials | None:
    """Return the credentials if all of them are in headers."""
    found = [_bearer(headers), *(headers.get(name, "") for name in _HEADERS.values())]
    key, tunnel_id, device_id = found
    return credentials(tunnel_id, [key], device_id) if all(found) else None


def _bearer(headers: Mapping[str, str]) -> str:
    match = _BEARER.fullmatch(headers.get("authorization", "").strip())
    return match[1] if match else ""


def read_query(query: Query, headers: Mapping[str, str]) -> Credentials:
    """Return each credential from the query, else from its header."""
    keys = query.keys("auth_key")
    return credentials(
        query.text("tunnel_id") or headers.get(_HEADERS["tunnel_id"], ""),
        keys if any(keys) else [_bearer(headers)],
        query.text("device_id") or headers.get(_HEADERS["device_id"], ""),
    )


def read_poll(query: Query, wait_limit: float) -> Poll:
    return Poll(query.number("since"), query.number("ack"), query.seconds("wait", wait_limit))
