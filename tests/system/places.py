"""Peers whose sockets are held by chosen workers."""

from __future__ import annotations

from typing import Any

from tests.harness import Crowd, Peer, Server


class Places:
    """The worker for the workstation and the worker for clients; None lets the server choose."""

    def __init__(self, people: Crowd, here: int | None, there: int | None) -> None:
        self.people, self.here, self.there = people, here, there

    @property
    def server(self) -> Server:
        return self.people.server

    async def workstation(self, **options: Any) -> tuple[Peer, str]:
        return await self.people.workstation(worker=self.here, **options)

    async def client(self, tunnel_id: str, device_id: str = "phone", **options: Any) -> Peer:
        return await self.people.client(tunnel_id, worker=self.there, device_id=device_id, **options)

    async def socket(self) -> Peer:
        """Open a socket without a role at the clients' worker."""
        return await self.people.socket(worker=self.there)

    async def pair(self) -> tuple[Peer, Peer, str]:
        """Connect a workstation and its client ``phone``; return both and their tunnel."""
        workstation, tunnel_id = await self.workstation()
        return workstation, await self.client(tunnel_id), tunnel_id
