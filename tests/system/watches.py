"""A watch that polls as the shipped one does: over HTTP, and adopting every number that it receives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self

import httpx

from tests.harness import AUTH_KEY, Server
from tests.patience import WALL_PATIENCE, patience

POLL_SECONDS = 10.0


class WatchDevice:
    """Records the ``data`` of every message, the numbers it received, and how often there was a gap."""

    def __init__(self, server: Server, tunnel_id: str, device_id: str = "watch-1") -> None:
        self.who = {"tunnel_id": tunnel_id, "auth_key": AUTH_KEY, "device_id": device_id}
        # Plain HTTP, because loading certificates would dominate the time.
        self.http = httpx.AsyncClient(
            base_url=f"{server.url}/api/v1/watch", timeout=WALL_PATIENCE, verify=False
        )
        self.data: list[dict[str, Any]] = []
        self.told: list[int] = [0]
        self.gaps = 0
        self.refused: list[int] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    @property
    def since(self) -> int:
        return self.told[-1]

    async def post(self, call: str, **more: Any) -> httpx.Response:
        return await self.http.post(f"/{call}", json=self.who | more)

    async def connect(self) -> dict[str, Any]:
        answer = await self.post("connect")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def state(self) -> dict[str, Any]:
        answer = await self.http.get("/state", params=self.who)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def poll(self, wait: float = 0.0) -> int:
        """Poll once; record messages and numbers, and return the status."""
        answer = await self.http.get("/messages", params=self.who | {"since": self.since, "wait": wait})
        if answer.status_code != 200:
            self.refused.append(answer.status_code)
            return answer.status_code
        body = answer.json()
        self.data += [message["data"] for message in body["messages"]]
        self.gaps += body["may_have_missed_messages"]
        self.told.append(body["current_sequence"])
        return 200

    async def poll_again(self, deadline: float = POLL_SECONDS) -> None:
        """Poll until one poll succeeds, despite refusals and broken connections."""
        async with patience(deadline):
            while await self._try() != 200:
                await asyncio.sleep(0.02)

    async def poll_until(self, count: int, deadline: float = POLL_SECONDS) -> None:
        """Poll in the same way until this many messages have arrived."""
        await self.poll_while(lambda: len(self.data) < count, deadline)

    async def poll_while(self, more: Callable[[], bool], deadline: float = POLL_SECONDS) -> None:
        async with patience(deadline):
            while more():
                if await self._try(wait=0.5) != 200:
                    await asyncio.sleep(0.02)

    async def _try(self, wait: float = 0.0) -> int:
        try:
            return await self.poll(wait)
        except httpx.TransportError:
            return 0

    def numbers_went_back(self) -> bool:
        return self.told != sorted(self.told)
