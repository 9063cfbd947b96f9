"""The surrogate room: halves of characters, legal in JSON and in no Unicode text, are put right unread."""

import re

_PAIR_OR_LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_BACKSLASH = b"\\\\"  # an escaped one: what follows it is no escape


def without_lone_surrogates(text: bytes) -> bytes:
    """Replace each by U+FFFD, which is as long: JSON readers in the field refuse the whole text for one."""
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    return _BACKSLASH.join(_PAIR_OR_LONE.sub(_replace, part) for part in text.split(_BACKSLASH))


def _replace(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]
