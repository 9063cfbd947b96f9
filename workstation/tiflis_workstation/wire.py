"""The words of the client protocol: how a request is read and how the workstation's messages are built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]

PROTOCOL_VERSION = "1.13"

SUPERVISOR = "supervisor"
TERMINAL = "terminal"

UNAUTHENTICATED = "UNAUTHENTICATED"
INVALID_AUTH_KEY = "INVALID_AUTH_KEY"
SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
SESSION_BUSY = "SESSION_BUSY"
INVALID_PAYLOAD = "INVALID_PAYLOAD"
INTERNAL_ERROR = "INTERNAL_ERROR"


class RequestRefused(Exception):
    """A request the workstation answers with an error; `code` is one of the codes above."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Request:
    """One message from a device. Fields are looked up in `payload` first, then at top level."""

    type: str
    device_id: str
    id: str
    body: Mapping[str, Any]

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Request:
        def text(name: str) -> str:
            value = message.get(name)
            return value if isinstance(value, str) else ""

        payload = message.get("payload")
        body = {**message, **payload} if isinstance(payload, dict) else message
        return cls(text("type"), text("device_id"), text("id"), body)

    def text(self, name: str) -> str:
        """Return a string field, "" when it is absent or of another type."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        value = self.body.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def integer(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None or not abs(value) < 2**53 else int(value)

    def flag(self, name: str) -> bool:
        return self.body.get(name) is True

    @property
    def session_id(self) -> str:
        return self.text("session_id")


def encode(message: Message) -> str:
    """JSON that UTF-8 can carry: lone surrogates, which a device may send escaped, leave escaped."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(message, separators=(",", ":"))
    return text


def present(**fields: Any) -> Message:
    """Return the fields that have a value: an optional field is absent, never null."""
    return {name: value for name, value in fields.items() if value is not None}


def response(request: Request, **payload: Any) -> Message:
    return present(type="response", id=request.id or None, payload=payload)


def error(request: Request, refused: RequestRefused) -> Message:
    payload = {"code": refused.code, "message": refused.message}
    return present(type="error", id=request.id or None, payload=payload)


def session_error(session_id: str, refused: RequestRefused) -> Message:
    payload = {"code": refused.code, "message": refused.message}
    return {"type": "session.error", "session_id": session_id, "payload": payload}


def message_ack(message_id: str, session_id: str | None) -> Message:
    payload = present(message_id=message_id, session_id=session_id, status="received")
    return {"type": "message.ack", "payload": payload}
