"""What a log may show: rules that take keys, audio and message contents out of any text or value."""

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

MASK = "<redacted>"
PREFIX = (
    8  # characters by which a secret is found in a text, so that the cost does not grow with their number
)
SHORTEST = 4  # characters; a shorter secret would take ordinary words out of the log
KEPT = 65_536  # secrets remembered; the oldest registered one is forgotten first
TEXT_LIMIT = 1024  # characters of one text in a log line
SCAN_LIMIT = 8 * TEXT_LIMIT  # characters read; the rest is never shown
ITEM_LIMIT = 32  # items of a list or mapping
DEPTH_LIMIT = 4

# Names, without case, dashes and underscores, whose values are never shown.
_SECRET_NAMES = frozenset(
    "key apikey authkey registrationkey registrationkeys token authorization password passwd secret"
    " credentials cookie setcookie payload audio audiobase64 content contentblocks data body message text"
    " frame command inputvalue query querystring".split()
)
_NAMES = (
    r"(?:api|auth)[-_ ]?key|key|token|authorization|password|passwd|secret|credentials|(?:set-)?cookie"
    r"|payload|audio(?:_base64)?|content(?:_blocks)?|data|body|text|input_value|query(?:_string)?"
)
_VALUE = r"\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?|[{\[(].*|[^\s,;&}\])]+"

_RULES = [
    (re.compile(r"\?[^\s\"'<>?]*=[^\s\"'<>]*"), "?<query>"),
    (re.compile(r"#data=[^\s\"'<>]*"), f"#data={MASK}"),
    (re.compile(r"://[^/\s@\"']+@"), f"://{MASK}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\bb(['\"])(?:\\.|(?!\1)[^\\])*(?:\1|$)", re.DOTALL), "<bytes>"),
    (re.compile(rf"(?<![\w-])([\"']?)({_NAMES})\1(\s*[:=]\s*)(?:{_VALUE})", re.I | re.S), rf"\1\2\1\3{MASK}"),
    # Longer than any digest or id: audio, images, keys in base64.
    (re.compile(r"[A-Za-z0-9+/_-]{65,}={0,2}"), "<long value>"),
]


def is_secret(name: str) -> bool:
    """Return whether the value under this name is never shown."""
    return name.lower().replace("-", "").replace("_", "") in _SECRET_NAMES


class Redactor:
    """Knows the secrets of this process and takes them, and what looks like one, out of what is logged."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, set[str]] = OrderedDict()
        self._by_prefix: dict[str, dict[int, set[str]]] = {}  # prefix, length, secrets
        self._short: set[str] = set()

    def conceal(self, secret: str) -> None:
        """Keep this text out of every further log line, in all its usual spellings."""
        if len(secret) < SHORTEST or secret in self._kept:
            return
        spellings = {
            secret,
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
            quote(secret, safe=""),
            quote_plus(secret),
        }
        self._kept[secret] = spellings
        for spelling in spellings:
            if len(spelling) < PREFIX:
                self._short.add(spelling)
            else:
                self._by_prefix.setdefault(spelling[:PREFIX], {}).setdefault(len(spelling), set()).add(
                    spelling
                )
        while len(self._kept) > KEPT:
            self.forget(next(iter(self._kept)))

    def forget(self, secret: str) -> None:
        """Stop concealing a text."""
        for spelling in self._kept.pop(secret, ()):
            self._short.discard(spelling)
            lengths = self._by_prefix.get(spelling[:PREFIX], {})
            lengths.get(len(spelling), set()).discard(spelling)
            if not lengths.get(len(spelling)):
                lengths.pop(len(spelling), None)
            if not lengths:
                self._by_prefix.pop(spelling[:PREFIX], None)

    def secrets_out(self, text: str) -> str:
        """Return the text without the registered secrets; nothing else is touched."""
        for short in self._short:
            text = text.replace(short, MASK)
        if not self._by_prefix:
            return text
        parts: list[str] = []
        start = at = 0
        while at <= len(text) - PREFIX:
            found = self._secret_at(text, at)
            if not found:
                at += 1
                continue
            parts += (text[start:at], MASK)
            start = at = at + len(found)
        return "".join((*parts, text[start:])) if parts else text

    def _secret_at(self, text: str, at: int) -> str:
        lengths = self._by_prefix.get(text[at : at + PREFIX])
        if lengths is None:
            return ""
        for length in sorted(lengths, reverse=True):
            if text[at : at + length] in lengths[length]:
                return text[at : at + length]
        return ""

    def text(self, text: str) -> str:
        """Return the text without secrets and without what looks like one, cut to a line's measure."""
        text = self.secrets_out(text[:SCAN_LIMIT])
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"

    def field(self, name: str, value: object, depth: int = 0) -> object:
        """Return the value of a field as a log may show it."""
        return MASK if is_secret(name) and value is not None else self.value(value, depth)

    def value(self, value: object, depth: int = 0) -> object:
        """Any value as a log may show it: numbers stay, bytes become their length, the rest is text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{len(value)} bytes>"
        if isinstance(value, Mapping) and depth < DEPTH_LIMIT:
            items = list(value.items())[:ITEM_LIMIT]
            return {self.text(str(key)): self.field(str(key), item, depth + 1) for key, item in items}
        if isinstance(value, list | tuple | set | frozenset) and depth < DEPTH_LIMIT:
            return [self.value(item, depth + 1) for item in list(value)[:ITEM_LIMIT]]
        return self.text(str(value))
