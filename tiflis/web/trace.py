"""The way of messages through a socket, for LOG_LEVEL=debug: that they came and went, never what they say."""

import logging
import re
from collections.abc import Callable
from typing import Any

from tiflis.protocol import head
from tiflis.protocol.errors import TunnelError
from tiflis.protocol.frames import Event, FrameReader, Opcode
from tiflis.web.socket import Socket

log = logging.getLogger(__name__)

_TYPE = re.compile(r"[a-z]{1,24}([._][a-z]{1,24}){0,3}")  # a word of the protocol, nothing else


def socket_class() -> type[Socket]:
    """Sockets that tell, or, as nobody listens, sockets that spend no time on it."""
    return TracedSocket if log.isEnabledFor(logging.DEBUG) else Socket


class TracedReader(FrameReader):
    """Tells of every message that it has read."""

    told: Callable[[int, bytes], None] | None = None

    def feed(self, data: bytes) -> list[Event]:
        events = super().feed(data)
        for opcode, payload in events:
            if self.told is not None:
                self.told(opcode, payload)
        return events


class TracedSocket(Socket):
    """Says what came and what is sent, by kind and size."""

    __slots__ = ()

    def _make_reader(self, state: dict[str, Any] | None = None) -> FrameReader:
        limits = self._limits
        reader = (
            TracedReader(limits.roleless_message_limit, limits.fragment_limit)
            if state is None
            else TracedReader.restore(state)
        )
        assert isinstance(reader, TracedReader)
        reader.told = self._received
        return reader

    def _received(self, opcode: int, payload: bytes) -> None:
        kind = kind_of(payload) if opcode <= Opcode.BINARY else Opcode(opcode).name.lower()
        log.debug("message received", extra=self._about(kind, payload))

    def send(self, text: bytes) -> None:
        event = "message not delivered, socket closing" if self.close_by else "message delivered"
        log.debug(event, extra=self._about(kind_of(text), text))
        super().send(text)

    def _about(self, kind: str, payload: bytes) -> dict[str, object]:
        session = self.session
        named = session.named() if session is not None else {"connection": self.connection_id}
        return {**named, "kind": kind, "bytes": len(payload)}


def kind_of(text: bytes) -> str:
    """The message's type if it looks like one."""
    try:
        found = head.peek(text).type
    except TunnelError:
        return "unreadable"
    return found if _TYPE.fullmatch(found) else "other"
