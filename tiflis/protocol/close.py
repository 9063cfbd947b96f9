"""Close frames: which close codes exist, what a close payload may hold, how a peer's breach is named."""

from enum import IntEnum
from typing import NamedTuple

from tiflis.protocol import utf8

# RFC 6455, 5.5: a control frame carries at most 125 bytes; 2 of a close frame's are the code.
MAX_REASON = 123


class CloseCode(IntEnum):
    """The close codes that may travel on the wire (RFC 6455, 7.4.1, and the IANA registry)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014


_REGISTERED = frozenset(int(code) for code in CloseCode)


class ProtocolFailure(NamedTuple):
    """How a peer broke the rules: the code to close with, and a reason that holds nothing the peer sent."""

    code: CloseCode
    reason: str


class Breach(Exception):
    """Carries a `ProtocolFailure` from the rule that was broken up to the reader, and no further."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(code, reason)
        self.failure = ProtocolFailure(code, reason)


def may_travel(code: int) -> bool:
    """Return whether `code` may stand in a close frame; 3000 to 4999 are for applications (7.4.2)."""
    return code in _REGISTERED or 3000 <= code <= 4999


def close_payload(code: int, reason: str = "") -> bytes:
    """Return a close frame's payload. A reason that is too long is cut between two characters."""
    if not may_travel(code):
        raise ValueError(f"close code {code} may not travel; use one of CloseCode or 3000 to 4999")
    text = reason.encode("utf-8", "replace")
    if len(text) > MAX_REASON:
        text = text[:MAX_REASON].decode("utf-8", "ignore").encode()
    return code.to_bytes(2, "big") + text


def judge_close(payload: bytes) -> None:
    """Raise `Breach` unless `payload` is empty or a legal code with a UTF-8 reason (RFC 6455, 5.5.1)."""
    if not payload:
        return
    # A lone byte reads as a code below 256, which is as illegal as half a code.
    if not may_travel(int.from_bytes(payload[:2], "big")):
        raise Breach(CloseCode.PROTOCOL_ERROR, "illegal close code")
    if not utf8.is_valid(payload[2:]):
        raise Breach(CloseCode.INVALID_DATA, "close reason is not UTF-8")
