"""UTF-8 checked as it arrives, piece by piece, without building a string of the whole."""

from codecs import utf_8_decode

# Bytes judged at a time (16 KiB): the throw-away string of a piece stays in the processor's cache, while
# the one of a whole read burst with an emoji in it (4 bytes a character) would cost page faults.
PIECE = 16 * 1024

# The first two bytes of every encoded surrogate lie in this range; no text has them (RFC 3629, 3).
_SURROGATE = b"\xed\xa0"
_AFTER_SURROGATES = b"\xee"


def advance(carry: bytes, chunk: bytes) -> bytes:
    """Judge `chunk` after `carry`, the 0 to 3 bytes of a character that the previous chunk left open.

    Returns the new carry, which is empty at the end of every valid text. Raises `UnicodeDecodeError` at the
    first byte that no continuation can mend (RFC 6455, 8.1): bad text need not be read to its end.
    """
    if not carry and chunk.isascii():
        return b""
    if len(chunk) <= PIECE:
        return _advance(carry, chunk)
    for start in range(0, len(chunk), PIECE):
        carry = _advance(carry, chunk[start : start + PIECE])
    return carry


def is_valid(text: bytes) -> bool:
    """Return whether `text` is complete, valid UTF-8."""
    try:
        if len(text) > PIECE:
            return not advance(b"", text)
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _advance(carry: bytes, chunk: bytes) -> bytes:
    if not carry and chunk.isascii():
        return b""
    text = carry + chunk if carry else chunk
    _, judged = utf_8_decode(text, "strict", False)
    rest = text[judged:]
    if _SURROGATE <= rest[:2] < _AFTER_SURROGATES:
        # Python waits for the third byte of a surrogate, which it lets pass under another error handler.
        raise UnicodeDecodeError("utf-8", rest, 0, 2, "surrogate")
    return rest
