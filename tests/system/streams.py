"""Numbered messages in both directions, and a check that they arrived."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Self

from tests.harness import Peer, eventually
from tests.patience import PATIENCE

PACE = 0.002  # seconds between two messages


class Stream:
    """Sends numbered notes from one peer; at the end the receivers' notes are compared."""

    def __init__(self, sender: Peer, name: str, pad: int = 100) -> None:
        self.name, self.sent = name, 0
        self._sender, self._pad = sender, "x" * pad

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _send(self) -> None:
        while True:
            note = {"type": "note", "from": self.name, "n": self.sent, "x": self._pad}
            self.sent += 1
            await asyncio.shield(self._sender.send(note))
            await asyncio.sleep(PACE)

    def heard(self, *hearers: Peer) -> list[int]:
        """Return the numbers that these peers received, in the order of the peers and of arrival."""
        return [number for peer in hearers for number in numbers(peer, self.name)]

    async def all_heard(self, *hearers: Peer, deadline: float = PATIENCE) -> None:
        """Check that each number arrived once, in order, without a gap."""
        await eventually(
            lambda: len(self.heard(*hearers)) >= self.sent, deadline, f"all notes of {self.name} arrive"
        )
        assert self.heard(*hearers) == list(range(self.sent))


def numbers(peer: Peer, name: str) -> list[int]:
    return [m["n"] for m in peer.seen if m.get("type") == "note" and m.get("from") == name]


def told(peer: Peer) -> list[Any]:
    """Return a client's messages about its workstation's presence, and errors."""
    return [m["type"] for m in peer.seen if m["type"].startswith("connection.") or m["type"] == "error"]
