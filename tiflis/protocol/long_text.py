"""Long JSON strings: their text in UTF-8, piece by piece, so that no second copy of it is ever held."""

from io import BytesIO

import msgspec

from tiflis.protocol import head

LONG = 1 << 20  # bytes from which it is worth it
PIECE = 256 << 10
_ESCAPE = 12  # bytes of the longest one: a pair of surrogates


def utf8(raw: msgspec.Raw) -> bytes | None:
    """As ``head.string``, encoded; None if the raw field holds no string."""
    view = memoryview(raw)
    if view.nbytes < 2 or view[0] != ord('"') or view[-1] != ord('"'):
        return None
    out, at, end = BytesIO(), 1, view.nbytes - 1
    while at < end:
        stop = _cut(view, at, end)
        piece = bytes(view[at:stop])
        if b"\\" in piece or not piece.isascii():
            text = head.string(msgspec.Raw(b'"%b"' % piece))
            if text is None:
                return None
            piece = text.encode()
        out.write(piece)
        at = stop
    return out.getvalue()


def _cut(view: memoryview, at: int, end: int) -> int:
    """Where a piece may end: not within a character or an escape."""
    stop = at
    while (stop := stop + PIECE) < end:
        while view[stop] & 0xC0 == 0x80:
            stop -= 1
        if b"\\" not in bytes(view[stop - _ESCAPE : stop]):
            return stop
    return end
