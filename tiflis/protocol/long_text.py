"""Long JSON strings: their text in UTF-8, piece by piece, so that no second copy of it is ever held."""

from io import BytesIO

import msgspec

from tiflis.protocol import head, surrogates

LONG = 1 << 20  # bytes from which it is worth it
PIECE = 32 << 10  # bytes read at a time


def utf8(raw: msgspec.Raw) -> bytes | None:
    """Return as ``head.string`` does, encoded; None if the raw field holds no string."""
    view = memoryview(raw)
    if view.nbytes < 2 or view[0] != ord('"') or view[-1] != ord('"'):
        return None
    out, at, end = BytesIO(), 1, view.nbytes - 1
    while at < end:
        window = bytes(view[at : min(at + PIECE + 1, end)])
        piece = window[: surrogates.cut(window, PIECE)]
        at += len(piece)
        if b"\\" in piece or not piece.isascii():
            text = head.string(msgspec.Raw(b'"%b"' % piece))
            if text is None:
                return None
            piece = text.encode()
        out.write(piece)
    return out.getvalue()
