"""Surrogates: halves of characters, legal in JSON but not in Unicode text, are mended in one pass.

Everything here takes valid UTF-8 and works in C on pieces of bounded size: whatever the text holds, it costs
about as much as reading the text with the standard library's JSON reader.
"""

import json.decoder
import re
from collections.abc import Callable, Iterator
from io import BytesIO

PIECE = 16 * 1024  # bytes looked at in one go: what is made of them stays in the processor's cache
_ESCAPE = 6  # bytes of the longest one
# A piece as long as this of which a tenth and more is escaped surrogates, not all of them in pairs, is no
# text of a person; to mend it would take several times as long as to read it.
FLOOD_SIZE = 16 * 1024 - 2 * _ESCAPE
_FLOOD_SHARE = 10
# Reads what follows a quote up to the next one: the inside of a JSON string, in C.
_scan: Callable[..., tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]  # not in typeshed
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_REPLACEMENT = "\ufffd".encode()

# How an escaped surrogate begins, and how an escape does that every reader takes. A backslash before either
# means the same.
_SURROGATES, _OTHER = (b"\\ud", b"\\uD"), b"\\ub"

# Control characters, which JSON text never has, stand for what is not to be read as JSON.
_MARKS = b"\1\2\3\4\5"
_BACKSLASHES, _SURROGATE = b"\1\1", b"\2"
_MARKED = bytes.maketrans(b'\2\\"?', b"\\\3\4\5")
_UNMARKED = bytes.maketrans(b"\1\3\4\5", b'\\\\"?')
# A quote as what may be escaped too, so that a piece of any JSON text can be read as the inside of a string.
_NO_QUOTES = bytes.maketrans(b'"', b"/")


def hidden(text: bytes) -> bytearray:
    """Return ``text`` with other characters for its escaped surrogates: a strict reader takes it, and finds
    everything at the same place."""
    out = bytearray()
    for piece in _pieces(text):
        mended = piece
        for escape in _SURROGATES:
            mended = mended.replace(escape, _OTHER)
        out += mended
    return out


def escaped(text: bytes) -> bool:
    """Return whether ``text`` has an escaped surrogate: without one, no string in it can be refused."""
    return any(escape in text for escape in _SURROGATES)


def without_lone_surrogates(text: bytes) -> bytes:
    """Replace each by U+FFFD: JSON readers in the field refuse the whole text for one.

    Returns ``text`` itself where there is none. Raises ValueError for what is not JSON, though not for
    everything that is not.
    """
    if b"\\" not in text:
        return text
    out, same, lone = BytesIO(), True, False
    for piece in _pieces(text):
        if b"\\u" in piece and (lone or _has_lone(piece)):
            _refuse_flood(piece)
            lone, mended = _replaced(piece)  # where one was found more follow: look and replace in one go
            same = same and not lone
            out.write(mended)
        else:
            out.write(piece)
    return text if same else out.getvalue()


def string(text: bytes) -> bytes:
    """Return what a JSON string says, in UTF-8, each lone surrogate replaced by U+FFFD. Raises ValueError."""
    decoded = text.decode()
    said, end = _scan(decoded, 1)
    if end != len(decoded):
        raise ValueError("more than a string")
    try:
        return said.encode()
    except UnicodeEncodeError:
        _refuse_flood(text)
        # "?" stands for what is not Unicode: the text's own must differ from it meanwhile.
        encoded: bytes = said.replace("\0", "\0a").replace("?", "\0b").encode("utf-8", "replace")
        return encoded.replace(b"?", _REPLACEMENT).replace(b"\0b", b"?").replace(b"\0a", b"\0")


def _pieces(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        window = text[at : at + PIECE + 1]
        piece = window[: cut(window, PIECE)]
        at += len(piece)
        yield piece


def cut(window: bytes, most: int) -> int:
    """Return how much of ``window``, up to ``most`` bytes, to take for a piece that ends within no character,
    no escape and no pair of surrogates. ``window`` must not begin within one, and goes on to the byte after
    ``most`` where there is one."""
    if len(window) <= most:
        return len(window)
    stop = most
    while stop and window[stop] & 0xC0 == 0x80:
        stop -= 1
    begun = window.rfind(b"\\", max(0, stop - _ESCAPE + 1), stop)
    if begun >= 0 and _begins_escape(window, begun):
        length = _ESCAPE if window[begun + 1 : begun + 2] == b"u" else 2
        stop = begun if begun + length > stop else stop
    high = stop - _ESCAPE
    if high >= 0 and _HIGH.match(window, high) and _begins_escape(window, high):
        stop = high
    return stop or len(window)


def _begins_escape(window: bytes, at: int) -> bool:
    """Return whether the backslash there is not an escaped one itself."""
    before = window[: at + 1]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _has_lone(piece: bytes) -> bool:
    text, _ = _scan(piece.translate(_NO_QUOTES).decode() + '"', 0, False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse_flood(piece: bytes) -> None:
    if len(piece) >= FLOOD_SIZE:
        surrogates = sum(piece.count(escape) for escape in _SURROGATES)
        if surrogates * _ESCAPE * _FLOOD_SHARE > len(piece):
            raise ValueError("a flood of surrogates")


def _replaced(piece: bytes) -> tuple[bool, bytes]:
    """Have the JSON reader join the pairs, and read nothing else. Return whether a lone one was left over."""
    if any(mark in piece for mark in _MARKS):
        raise ValueError("a control character in JSON")
    marked = piece.replace(b"\\\\", _BACKSLASHES)
    for escape in _SURROGATES:
        marked = marked.replace(escape, _SURROGATE + b"ud")
    text, _ = _scan(marked.translate(_MARKED).decode() + '"', 0, False)
    encoded: bytes = text.encode("utf-8", "replace")  # "?" for each that is left over
    if b"?" not in encoded:
        return False, piece
    return True, encoded.replace(b"?", _REPLACEMENT).translate(_UNMARKED)
