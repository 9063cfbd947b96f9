"""Large messages on their way to one peer, in fragments."""

from typing import Any

from tiflis.protocol.frames import Opcode, header
from tiflis.protocol.long_text import EscapedText
from tiflis.protocol.spliced import SplicedText

KIB = 1024
FRAGMENT = 128 * KIB  # bigger messages leave in pieces of this size, between which a pong may go


class Large:
    """A message of which the payload may be shared with other receivers."""

    __slots__ = ("_opcode", "_payload", "_size", "at")

    def __init__(self, opcode: int, payload: bytes | SplicedText, at: int = 0) -> None:
        self._opcode, self._payload, self.at = opcode, payload, at
        self._size = len(payload)

    @property
    def left(self) -> int:
        """Return how many bytes are still to be sent."""
        return self._size - self.at

    @property
    def shared(self) -> tuple[int, int]:
        """Return the id and the size of what this message keeps in memory."""
        return id(self._payload), self._size

    def next(self) -> tuple[bytes, bytes]:
        """Return the next fragment's header and its piece.

        The piece is a copy: a view in a stuck transport would keep the whole payload.
        """
        start, self.at = self.at, min(self.at + FRAGMENT, self._size)
        opcode = Opcode.CONTINUATION if start else self._opcode
        return header(opcode, self.at - start, not self.left), self._payload[start : self.at]

    def export(self) -> list[Any]:
        """Return opcode, payload and position, for another process's outbox."""
        return [int(self._opcode), bytes(self._payload), self.at]


class LargeEscaped:
    """A message that is still escaped, as a string in the message that brought it: as long as the peer takes
    nothing, no second copy of it is held. Sizes are those of the escaped text."""

    __slots__ = ("_text", "at")

    def __init__(self, text: EscapedText) -> None:
        self._text = text
        self.at = 0  # bytes sent, unescaped

    @property
    def left(self) -> int:
        return self._text.left

    @property
    def shared(self) -> tuple[int, int]:
        return id(self._text), self._text.size

    def next(self) -> tuple[bytes, bytes]:
        opcode = Opcode.CONTINUATION if self.at else Opcode.TEXT
        piece = self._text.read(FRAGMENT)
        self.at += len(piece)
        return header(opcode, len(piece), not self.left), piece

    def export(self) -> list[Any]:
        return [int(Opcode.TEXT), self._text.whole(), self.at]
