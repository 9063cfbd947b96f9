"""The messages that the workstation has yet to send: bounded, in order, kept while the tunnel is away."""

from __future__ import annotations

import asyncio
from collections import deque

HIGH_WATER = 256 * 2**10  # characters; above it the agents wait before they say more
LOW_WATER = 64 * 2**10
FULL = (
    16 * 2**20
)  # while the tunnel is away for long: the oldest goes, for devices ask anew after a long outage


class Outbox:
    """A queue of texts with one reader; `writable()` is how a producer waits for its turn."""

    def __init__(self) -> None:
        self.dropped = 0
        self._texts: deque[str] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def put(self, text: str) -> None:
        self._texts.append(text)
        self._size += len(text)
        while self._size > FULL and len(self._texts) > 1:
            self._remove_first()
            self.dropped += 1
        if self._size > HIGH_WATER:
            self._writable.clear()
        self._filled.set()

    async def first(self) -> str:
        """Return the oldest text, left in place until `sent()`: a send that fails loses nothing."""
        while not self._texts:
            self._filled.clear()
            await self._filled.wait()
        return self._texts[0]

    def sent(self, text: str) -> None:
        """`text` is on its way. It may have been dropped meanwhile, then there is nothing to do."""
        if self._texts and self._texts[0] is text:
            self._remove_first()

    async def writable(self) -> None:
        await self._writable.wait()

    def __len__(self) -> int:
        return len(self._texts)

    def _remove_first(self) -> None:
        self._size -= len(self._texts.popleft())
        if self._size <= LOW_WATER:
            self._writable.set()
