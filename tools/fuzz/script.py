"""An input of a fuzzer read as decisions; used up, they are all zero, so that every input means something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")


class Script:
    """Reads an input from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def take(self, size: int) -> bytes:
        """Up to `size` bytes."""
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def piece(self) -> bytes:
        """Read a length of one byte; return up to so many bytes."""
        return self.take(self.byte())

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def choice(self, options: Sequence[Choice]) -> Choice:
        return options[self.byte() % len(options)]


def cut(stream: bytes, sizes: bytes) -> list[bytes]:
    """`stream` in pieces of these sizes plus one, which begin again at their end."""
    pieces, start, turn = [], 0, 0
    while start < len(stream):
        stop = start + 1 + (sizes[turn % len(sizes)] if sizes else len(stream))
        pieces.append(stream[start:stop])
        start, turn = stop, turn + 1
    return pieces
