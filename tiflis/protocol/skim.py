"""Skimming: string members of a JSON object, found while its text still arrives.

What is nested, and long strings, are passed over in C without being built; nothing of them is kept. The text
is not validated; the reader of the whole text does that. It costs about what the standard library's JSON
reader costs.
"""

import re
from collections.abc import Callable
from itertools import accumulate

import msgspec

from tiflis.protocol import head
from tiflis.protocol.errors import InvalidPayload

MEMBERS = 64  # looked at; an object with more is not skimmed to its end
LONGEST = 8 * 1024  # bytes of a key, or of a string that is wanted
_SLICE = 4 * 1024  # bytes passed over at a time

_SPACE = re.compile(rb"[ \t\r\n]*+")
_BETWEEN = re.compile(rb"[ \t\r\n,]*+")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_PLAIN = re.compile(rb"[^,}]*+")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}]', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class Skim:
    """Collects in ``found`` what the wanted members hold, by name; the last of duplicate keys counts.

    ``spans`` has where the values of ``located`` members begin and end, whatever they are. ``lost``: the text
    is no object, or not one to be skimmed; nothing more is found. ``repeated``: a key is there twice, perhaps
    in another spelling.
    """

    def __init__(self, wanted: frozenset[str], located: frozenset[str] = frozenset()) -> None:
        self.found: dict[str, str] = {}
        self.spans: dict[str, tuple[int, int]] = {}
        self.lost = self.repeated = False
        self._keys: set[str] = set()
        self._wanted, self._located = wanted, located
        self._at = 0  # offset of what is looked at
        self._began = -1  # offset of a located value that is under way
        self._rest = b""
        self._step: Callable[[bytes], int] = self._start
        self._members = 0
        self._key = ""
        self._depth = 0  # below the member's value
        self._inside = 0  # 1 in a string there

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the text."""
        for at in range(0, len(chunk), _SLICE):
            text = self._rest + chunk[at : at + _SLICE]
            while text and not self.lost:
                taken = self._step(text)
                if not taken:
                    break
                text = text[taken:]
                self._at += taken
                if self._began >= 0 and self._step == self._before_key:
                    self.spans[self._key], self._began = (self._began, self._at), -1
            self._rest = text
            if self.lost or len(text) > LONGEST:
                self.lost, self._rest = True, b""
                return

    # Each step returns how many bytes it has dealt with; 0: it needs more. The last one takes them all.

    def _start(self, text: bytes) -> int:
        space = _end(_SPACE, text)
        if space < len(text):
            self.lost = text[space] != ord("{")
            self._step, space = self._before_key, space + 1
        return space

    def _before_key(self, text: bytes) -> int:
        space = _end(_BETWEEN, text)
        if space:
            return space
        if text[:1] == b"}":
            self._step = len
            return 1
        key = self._string(text)
        if key is None:
            return 0
        self._members += 1
        self.repeated = self.repeated or key[1] in self._keys
        self._keys.add(key[1])
        self._key, self._step = key[1], self._before_value
        self.lost = self.lost or self._members > MEMBERS
        return key[0]

    def _before_value(self, text: bytes) -> int:
        space = _end(_SPACE, text)
        if space:
            return space
        if text[:1] == b":":
            self._step = self._value
            return 1
        self.lost = True
        return 0

    def _value(self, text: bytes) -> int:
        space = _end(_SPACE, text)
        if space:
            return space
        first = text[:1]
        if self._key in self._located and self._began < 0:
            self._began = self._at
        if first == b'"' and self._key in self._wanted:
            value = self._string(text)
            if value is None:
                return 0
            self.found[self._key], self._step = value[1], self._before_key
            return value[0]
        self._depth, self._inside = int(first in b"[{"), int(first == b'"')
        if self._depth or self._inside:
            self._step = self._within
            return 1
        self._step = self._plain
        return self._plain(text)

    def _plain(self, text: bytes) -> int:
        end = _end(_PLAIN, text)
        if end < len(text):
            self._step = self._before_key
        return end

    def _within(self, text: bytes) -> int:
        """Pass over a nested value, or a string that is not wanted."""
        if (len(text) - len(text.rstrip(b"\\"))) % 2:
            text = text[:-1]  # what the backslash escapes is still to come
        parts = text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        brackets = b"".join(parts[self._inside :: 2]).translate(None, _NO_BRACKETS)
        inside = (self._inside + len(parts) - 1) % 2
        if self._ends(brackets, len(parts) > 1):
            return self._to_the_end(text)
        closing = brackets.count(b"]") + brackets.count(b"}")
        self._depth += len(brackets) - 2 * closing
        self._inside = inside
        return len(text)

    def _ends(self, brackets: bytes, quotes: bool) -> bool:
        if not self._depth:
            return quotes
        if brackets.count(b"]") + brackets.count(b"}") < self._depth:
            return False
        return self._depth + min(accumulate(map(_STEPS.__getitem__, brackets)), default=0) <= 0

    def _to_the_end(self, text: bytes) -> int:
        """Find where in this text the value ends."""
        self._step, at = self._before_key, 0
        if self._inside:
            rest = _REST_OF_STRING.match(text)
            at = rest.end() if rest else len(text)
        if self._depth:
            for token in _TOKEN.finditer(text, at):
                self._depth += _STEPS.get(text[token.start()], 0)
                if not self._depth:
                    return token.end()
        return at

    def _string(self, text: bytes) -> tuple[int, str] | None:
        """Return a string's length and what it says; None as long as it is not whole."""
        if text[:1] != b'"':
            self.lost = True
            return None
        match = _STRING.match(text)
        if match is None:
            return None
        try:
            said = head.string(msgspec.Raw(match[0]))
        except InvalidPayload:
            said = None
        self.lost = self.lost or said is None
        return match.end(), said or ""


def _end(pattern: re.Pattern[bytes], text: bytes) -> int:
    match = pattern.match(text)
    return match.end() if match else 0
