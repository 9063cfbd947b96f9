"""Events that a person wants to learn of, found in the workstation's messages."""

import hashlib
from typing import NamedTuple

import msgspec

from tiflis.protocol.scan import LARGE

DONE, FAILED, OFFLINE, BELL = "done", "failed", "offline", "bell"
KINDS = (DONE, FAILED, OFFLINE, BELL)
EXCERPT = 160  # characters
NAMES = 256  # sessions whose names are remembered per tunnel
_TERMINAL = "terminal"


class Event(NamedTuple):
    """``session``: empty for the supervisor. ``id``: the same for the same event, however often it is
    found."""

    kind: str
    session: str
    id: str
    text: str = ""


class _Payload(msgspec.Struct, gc=False):
    content_type: str | None = None
    content: str | None = None
    is_complete: bool | None = None
    code: str | None = None
    message: str | None = None
    session_type: str | None = None
    project: str | None = None
    workspace: str | None = None
    sessions: list["_Session"] | None = None
    timestamp: msgspec.Raw = msgspec.Raw(b"")
    sequence: msgspec.Raw = msgspec.Raw(b"")
    session_id: str | None = None


class _Session(msgspec.Struct, gc=False):
    session_id: str | None = None
    session_type: str | None = None
    project: str | None = None
    workspace: str | None = None


class _Message(msgspec.Struct, gc=False):
    type: str
    id: msgspec.Raw = msgspec.Raw(b"")
    session_id: str | None = None
    streaming_message_id: str | None = None
    payload: _Payload | None = None


_message = msgspec.json.Decoder(_Message)


def _may_be_event(text: bytes) -> bool:
    return (
        b'"is_complete"' in text
        or b'"session.error"' in text
        or b"\\u0007" in text
        or b'"session.created"' in text
        or b'"sync.state"' in text
    )


class Events:
    """Finds the events of one tunnel, and remembers the names of its sessions."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def find(self, text: bytes) -> Event | None:
        """Return the event in a message of the workstation; None if it is none, or too long to be read."""
        if len(text) > LARGE or not _may_be_event(text):
            return None
        try:
            message = _message.decode(text)
        except (ValueError, RecursionError):
            return None
        payload = message.payload or _Payload()
        self._learn(message, payload)
        return self._found(message, payload, text)

    def _found(self, message: _Message, payload: _Payload, text: bytes) -> Event | None:
        session = message.session_id or payload.session_id or ""
        if message.type == "session.error":
            return _event(FAILED, session, text, f"{payload.message or ''}")
        if message.type not in ("session.output", "supervisor.output"):
            return None
        if payload.content_type == _TERMINAL:
            return _event(BELL, session, text, "") if "\x07" in (payload.content or "") else None
        if payload.is_complete:
            key = (message.streaming_message_id or "").encode() or text
            return _event(DONE, session, key, payload.content or "")
        return None

    def _learn(self, message: _Message, payload: _Payload) -> None:
        if message.type == "session.created":
            self._name(message.session_id, payload.session_type, payload.project or payload.workspace)
        for one in payload.sessions or ():
            self._name(one.session_id, one.session_type, one.project or one.workspace)

    def _name(self, session: str | None, kind: str | None, place: str | None) -> None:
        if session and kind:
            self.names[session] = f"{kind[:40]} · {place[:60]}" if place else kind[:40]
            if len(self.names) > NAMES:
                del self.names[next(iter(self.names))]


def _event(kind: str, session: str, key: bytes, text: str) -> Event:
    digest = hashlib.blake2b(kind.encode() + b"\0" + session.encode() + b"\0" + key, digest_size=9)
    return Event(kind, session, digest.hexdigest(), text[:EXCERPT])
