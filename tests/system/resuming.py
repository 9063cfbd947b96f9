"""A device that resumes: it counts as docs/staying.md says, and keeps what it received over its sockets."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidMessage

from tests.harness import Peer, Server
from tests.patience import PATIENCE, patience
from tests.peers import AUTH_KEY

UNCOUNTED = {"connected", "pong", "error", "auth.error", "workstation.status"}


class ResumingDevice:
    """One tab of a device. ``received``: the messages that it counted, over all its sockets; ``verdicts``:
    the answers to its ``resume``."""

    _stamps = itertools.count(1)

    def __init__(self, server: Server, tunnel_id: str, device_id: str = "phone") -> None:
        self.server, self.tunnel_id, self.device_id = server, tunnel_id, device_id
        self.cursor: dict[str, Any] = {}
        self.received: list[dict[str, Any]] = []
        self.verdicts: list[str] = []
        self.peer: Peer | None = None
        self._read = 0

    async def connect(self, worker: int | None = None) -> dict[str, Any]:
        """Connect, and return the payload of ``connected``."""
        answer = dict((await (await self.ask(worker)).next("connected", deadline=15))["payload"])
        self.verdicts.append(answer.get("resume", {}).get("verdict", "none"))
        return answer

    async def ask(self, worker: int | None = None) -> Peer:
        """Open a socket and send ``connect`` with the cursor."""
        self.peer = await Peer.open(self.server, worker=worker)
        self._read = 0
        payload = {"tunnel_id": self.tunnel_id, "auth_key": AUTH_KEY, "device_id": self.device_id}
        await self.peer.send({"type": "connect", "payload": payload | {"resume": self.cursor}})
        return self.peer

    async def connect_again(self) -> dict[str, Any]:
        """Connect in spite of a worker that has just died."""
        async with patience(15):
            while True:
                try:
                    return await self.connect()
                except (OSError, InvalidMessage, ConnectionClosed):
                    await asyncio.sleep(0.02)

    def count(self) -> None:
        """Count what has arrived."""
        assert self.peer is not None
        fresh, self._read = self.peer.seen[self._read :], len(self.peer.seen)
        for message in fresh:
            kind = message["type"]
            if kind == "tunnel.mark":
                self.cursor = {"epoch": message["epoch"], "seq": message["seq"]}
            elif kind == "connected":
                found = message["payload"].get("resume", {})
                self.cursor = {name: found[name] for name in ("epoch", "seq") if name in found}
            elif kind not in UNCOUNTED and not kind.startswith(("tunnel.", "connection.")):
                self.received.append(message)
                if self.cursor:  # none if the queue could not be restored in time
                    self.cursor["seq"] += 1

    async def settle(self) -> None:
        """Count everything that the tunnel's home has sent before, and the mark that answers a ping.

        An earlier mark may still be on its way; the receipt for an id of its own goes the messages' way.
        """
        assert self.peer is not None
        stamp = f"settle-{next(self._stamps)}"
        await self.peer.send({"type": "ping", "timestamp": 0})
        await self.peer.send({"type": "tunnel.unhold", "id": stamp})
        await self.peer.next("tunnel.receipt", where=lambda receipt: receipt["id"] == stamp)
        self.count()

    async def until(self, number: int, deadline: float = PATIENCE) -> None:
        """Wait for the note with this number."""
        assert self.peer is not None
        await self.peer.next("note", deadline, lambda message: message["n"] == number)
        self.count()

    async def cut(self) -> None:
        """Break the connection as a lost network does."""
        assert self.peer is not None
        self.peer.abort()
        await self.peer.until_closed()
        self.count()

    def notes(self) -> list[int]:
        return [message["n"] for message in self.received if message["type"] == "note"]
