"""A client with a device key of its own. After its key is revoked, nothing from it arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tiflis.protocol.errors import TunnelError
from tools.simulation.actors import RETRY, Heard
from tools.simulation.clients import Client
from tools.simulation.lines import Line
from tools.simulation.worker import WorkerDied

if TYPE_CHECKING:
    from tools.simulation.world import World

CLOSED_SECONDS = 1.0  # after the answer, until its sockets are closed
CHATTER_SECONDS, CHATTER_PAUSE = 2.0, 0.05
PATIENCE_SECONDS = 30.0  # for an answer: the store and the bus may be away


class Paired(Client):
    """Gets its key at the start. Once revoked it tries for a while to come back."""

    kind = "paired"
    address = "10.0.0.3"  # its wrong keys are not to count against the others

    def __init__(self, world: World, tunnel: str, name: str) -> None:
        super().__init__(world, tunnel, name)
        self.key, self.key_id = "", ""
        self.lines: list[Line] = []
        self.revoking = False

    def enter(self) -> None:
        if self.key:
            super().enter()
        else:
            self.pairing = asyncio.create_task(self._pair())

    async def _pair(self) -> None:
        while not self.key:
            try:
                worker = self.world.some_worker()
                minted = await worker.ask(worker.keys.mint(self.tunnel, "", "full"))
                self.key, self.key_id = minted.key, minted.entry.key_id
            except (WorkerDied, TunnelError):
                await asyncio.sleep(self.world.chance.uniform(*RETRY))
        super().enter()

    def take(self, line: Line) -> None:
        self.lines.append(line)
        super().take(line)

    def hear(self, heard: Heard) -> None:
        if heard.type == "connected" and self.line is not None:
            self.world.check(
                self.line.written <= self.revoked_at, f"{self.tunnel}/{self.name} connected, revoked"
            )
        if heard.type == "auth.error" and self.revoking:
            return
        super().hear(heard)

    @property
    def revoked_at(self) -> float:
        """Return when the revocation was answered."""
        return self.world.account.revoked.get((self.tunnel, self.name), float("inf"))

    async def revoke(self) -> None:
        """Revoke its key, however often that has to be tried, and check what the answer promises."""
        self.revoking = True
        self.ear.gone_at = self.world.loop.time()
        self._chatter(self.ear.gone_at + CHATTER_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._revoked():
                await asyncio.sleep(self.world.chance.uniform(*RETRY))
        now = self.world.loop.time()
        self.world.account.revoked[self.tunnel, self.name] = now
        before = [line for line in self.lines if not line.closed]
        self.world.loop.call_later(CLOSED_SECONDS, self._check_closed, before)

    def _chatter(self, until: float) -> None:
        """Say a lot while the key is being revoked, and after it."""
        if self.at_work:
            self.tell("request", "ws")
        if self.world.loop.time() < until:
            self.world.loop.call_later(self.world.chance.uniform(0, CHATTER_PAUSE), self._chatter, until)

    async def _revoked(self) -> bool:
        try:
            worker = self.world.some_worker()
            await worker.ask(worker.keys.revoke(self.tunnel, self.key_id))
        except (WorkerDied, TunnelError):
            return False
        return True

    def _check_closed(self, lines: list[Line]) -> None:
        open_still = sum(not line.closed for line in lines)
        self.world.check(not open_still, f"{self.tunnel}/{self.name}: {open_still} sockets open, revoked")
