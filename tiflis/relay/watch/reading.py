"""Large messages of watches, read in pieces, between which the event loop serves other peers.

A message of a socket is read as it arrives (``protocol/scan.py``). One that a watch sends has arrived with
its body, and is read here.
"""

import asyncio
from collections.abc import AsyncIterator

from tiflis.protocol import scopes
from tiflis.protocol.head import Head, peek
from tiflis.protocol.scan import LARGE, SLICE, Scan


async def head(text: bytes, binary: bool = False) -> Head:
    """Return a message's head. Raise InvalidPayload as ``head.peek`` does. ``binary``: whether its bytes are
    UTF-8 has not been checked."""
    if len(text) <= LARGE:
        return peek(text)
    scan = Scan(binary)
    async for piece in pieces(text):
        scan.feed(piece)
    return scan.head(text)


async def check(scope: str, found: Head, text: bytes) -> None:
    """Raise Forbidden unless a key of this scope may send this message."""
    skim = None
    if len(text) > LARGE and scope not in scopes.UNLIMITED:
        skim = scopes.new_skim()
        async for piece in pieces(text):
            skim.feed(piece)
    scopes.check(scope, found, text, skim)


async def pieces(text: bytes) -> AsyncIterator[bytes]:
    """Return the text in pieces; after each the event loop serves others."""
    for at in range(0, len(text), SLICE):
        yield text[at : at + SLICE]
        await asyncio.sleep(0)
