"""A WebSocket handshake read from a connection's first bytes, without a framework's request around it.

Only the plain form is read, which all clients send: exactly this path, headers of ASCII, each name once, no
body. Every other request, including those that have to be refused, is left to Sanic.
"""

from __future__ import annotations

import re
from typing import Any

HEADER_LIMIT = 16_384  # bytes of a request's header; the keys of a watch fit into its query many times
_HEADERS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)*")
_FIELDS = re.compile(r"([^:]+):[\t ]*([^\r]*)\r\n")  # for headers that match; in others it would take long
_BODY = ("content-length", "transfer-encoding", "expect")


class Fields(dict[str, str]):
    """Headers by lower-case name, each of which is there once."""

    def getall(self, name: str, default: list[str]) -> list[str]:
        """Return the header's values, as Sanic's headers do."""
        value = self.get(name)
        return default if value is None else [value]


class Handshake:
    """A handshake, with the attributes of a request that the endpoint uses."""

    __slots__ = ("headers", "transport")
    method = "GET"

    def __init__(self, headers: Fields, transport: Any) -> None:
        self.headers, self.transport = headers, transport


def read(data: bytes, path: str) -> tuple[Fields, bytes] | None:
    """Return the headers of a GET for ``path`` and the bytes behind them; None unless it is a plain one."""
    end = data.find(b"\r\n\r\n", 0, HEADER_LIMIT)
    if end < 0:
        return None
    line, _, rest = data[: end + 2].decode("latin-1").partition("\r\n")
    if line != f"GET {path} HTTP/1.1" or not _HEADERS.fullmatch(rest):
        return None
    headers = _FIELDS.findall(rest)
    fields = Fields([(name.lower(), value) for name, value in headers])
    if len(fields) != len(headers) or not fields.keys().isdisjoint(_BODY):
        return None
    return fields, data[end + 4 :]
