"""Long JSON strings: their text in UTF-8, piece by piece, so that no second copy of it is ever held."""

from io import BytesIO

import msgspec

from tiflis.protocol import head, surrogates
from tiflis.protocol.errors import InvalidPayload

LONG = 1 << 20  # bytes from which it is worth it
PIECE = 32 << 10  # bytes read at a time


class EscapedText:
    """A raw field's string, read from its beginning. It keeps the message that the field is part of."""

    __slots__ = ("_at", "_end", "_view", "size")

    def __init__(self, raw: msgspec.Raw) -> None:
        """Raise ValueError if the field holds no string."""
        self._view = view = memoryview(raw)
        if view.nbytes < 2 or view[0] != ord('"') or view[-1] != ord('"'):
            raise ValueError("not a string")
        self._at, self._end = 1, view.nbytes - 1
        self.size = self._end - 1  # bytes as escaped: never fewer than of the text

    def __len__(self) -> int:
        return self.size

    @property
    def left(self) -> int:
        """Return how many bytes have not been read, as escaped."""
        return self._end - self._at

    def piece(self) -> bytes:
        """Return the next piece in UTF-8, lone surrogates replaced by U+FFFD; empty at the end.

        Raise InvalidPayload for what is not JSON.
        """
        window = bytes(self._view[self._at : min(self._at + PIECE + 1, self._end)])
        piece = window[: surrogates.cut(window, PIECE)]
        self._at += len(piece)
        if b"\\" in piece or not piece.isascii():
            text = head.string(msgspec.Raw(b'"%b"' % piece))
            if text is None:
                raise InvalidPayload("The message is not JSON")
            piece = text.encode()
        return piece

    def read(self, least: int) -> bytes:
        """Return at least so many bytes, if so many are left, and at most a piece more."""
        out = BytesIO()
        while self.left and out.tell() < least:
            out.write(self.piece())
        return out.getvalue()

    def whole(self) -> bytes:
        """Return all of the text, also what has been read. The place where `read` goes on stays."""
        at, self._at = self._at, 1
        text = self.read(self.size)
        self._at = at
        return text


def utf8(raw: msgspec.Raw) -> bytes | None:
    """Return as ``head.string`` does, encoded; None if the raw field holds no string."""
    try:
        return EscapedText(raw).whole()
    except ValueError:
        return None
