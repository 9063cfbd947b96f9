"""A ping as most clients send it, read and answered without a look at its JSON."""

from tiflis.protocol.frame_head import FIN, MASKED, Opcode
from tiflis.protocol.frames import apply_mask

_PING, _PONG = b'{"type":"ping","timestamp":', b'{"type":"pong","timestamp":'
_HEAD = 6  # bytes of a small frame before its payload: two, and the masking key
_WHOLE_TEXT = FIN | Opcode.TEXT
_LETTER, _LETTER_AT = _PING[9], 9  # the first letter of the type, which rules most other frames out
_DIGITS = 16  # of the largest time in milliseconds or microseconds
LEAST, MOST = _HEAD + len(_PING) + 2, _HEAD + len(_PING) + _DIGITS + 1  # bytes of such a frame


def plain_pong(data: bytes) -> bytes | None:
    """Return the frame that answers a plain ping; None unless ``data`` is exactly one.

    ``data`` has from LEAST to MOST bytes.
    """
    size = len(data) - _HEAD
    if data[0] != _WHOLE_TEXT or data[1] != MASKED | size or data[_HEAD + _LETTER_AT] ^ data[3] != _LETTER:
        return None
    text = apply_mask(data[_HEAD:], data[2:_HEAD])
    digits = text[len(_PING) : -1]
    plain = text.startswith(_PING) and digits.isdigit() and text.endswith(b"}")
    if not plain or (len(digits) > 1 and digits.startswith(b"0")):
        return None
    return bytes((_WHOLE_TEXT, size)) + _PONG + text[len(_PING) :]
