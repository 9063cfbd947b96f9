"""Log lines of each message for LOG_LEVEL=debug: its kind and size, never its content."""

import logging
import re
from typing import TYPE_CHECKING

from tiflis.protocol import head
from tiflis.protocol.errors import TunnelError
from tiflis.protocol.frames import Event, Opcode
from tiflis.protocol.scan import LARGE

if TYPE_CHECKING:
    from tiflis.relay.sessions.session import Wire

log = logging.getLogger(__name__)

_TYPE = re.compile(r"[a-z]{1,24}([._][a-z]{1,24}){0,3}")  # a word of the protocol, nothing else


def enabled() -> bool:
    """Return whether messages are logged; sockets ask once, when they are made."""
    return log.isEnabledFor(logging.DEBUG)


def received(wire: "Wire", events: list[Event]) -> list[Event]:
    """Log the messages and control frames that a socket has read; return them."""
    for opcode, payload in events:
        kind = kind_of(payload) if opcode <= Opcode.BINARY else Opcode(opcode).name.lower()
        log.debug("message received", extra=_about(wire, kind, payload))
    return events


def sent(wire: "Wire", text: bytes, closing: bool) -> None:
    """Log a message that is queued for a socket, or dropped because the socket is closing."""
    event = "message not delivered, socket closing" if closing else "message delivered"
    log.debug(event, extra=_about(wire, kind_of(text), text))


def _about(wire: "Wire", kind: str, payload: bytes) -> dict[str, object]:
    session = wire.session
    named = session.named() if session is not None else {"connection": wire.connection_id}
    return {**named, "kind": kind, "bytes": len(payload)}


def kind_of(text: bytes) -> str:
    """Return the message's type, `large` for one that is not read again for its type, or `other` or
    `unreadable` if it does not look like one."""
    if len(text) > LARGE:
        return "large"
    try:
        found = head.peek(text).type
    except TunnelError:
        return "unreadable"
    return found if _TYPE.fullmatch(found) else "other"
