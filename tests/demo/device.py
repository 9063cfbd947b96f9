"""A device for tests: connects, authenticates, asks and waits for the answer with its own id."""

from __future__ import annotations

import itertools
from typing import Any

from tiflis_workstation.pairing import Pairing
from websockets.asyncio.client import connect

from tests.peers import Peer

Message = dict[str, Any]


class Device(Peer):
    """What a phone does, without a screen."""

    device_id: str
    _ids: itertools.count[int]

    @classmethod
    async def pair(cls, pairing: Pairing, device_id: str = "phone-1") -> Device:
        """Connected and authenticated."""
        device = await cls.reach(pairing, device_id)
        await device.send({"type": "auth", "payload": {"auth_key": pairing.key, "device_id": device_id}})
        await device.next("auth.success")
        return device

    @classmethod
    async def reach(cls, pairing: Pairing, device_id: str = "phone-1") -> Device:
        """Connected to the tunnel, not yet known to the workstation."""
        socket = await connect(
            pairing.url, compression=None, ping_interval=None, max_size=None, close_timeout=1, proxy=None
        )
        device = cls(socket)
        device.device_id = device_id
        device._ids = itertools.count(1)
        payload = {"tunnel_id": pairing.tunnel_id, "auth_key": pairing.key, "device_id": device_id}
        await device.send({"type": "connect", "payload": payload})
        await device.next("connected")
        return device

    async def post(self, kind: str, payload: Message | None = None, **beside: Any) -> str:
        """Send a request; returns its id."""
        message_id = f"{self.device_id}-{next(self._ids)}"
        message: Message = {"type": kind, "id": message_id, **beside}
        await self.send(message if payload is None else {**message, "payload": payload})
        return message_id

    async def ask(self, kind: str, payload: Message | None = None, **beside: Any) -> Message:
        """Send a request and wait for the answer that carries its id."""
        message_id = await self.post(kind, payload, **beside)
        return await self.next(where=lambda message: message.get("id") == message_id)

    async def subscribe(self, session_id: str) -> Message:
        await self.send({"type": "session.subscribe", "session_id": session_id})
        return await self.next("session.subscribed", where=lambda m: m["session_id"] == session_id)

    async def answer(self, kind: str) -> list[Message]:
        """Return all snapshots of one answer, up to the complete one."""
        snapshots = [await self.next(kind)]
        while not snapshots[-1]["payload"]["is_complete"]:
            snapshots.append(await self.next(kind))
        return snapshots

    async def sessions(self) -> dict[str, Message]:
        """Return the open sessions by type; aliases by their alias."""
        state = await self.ask("sync")
        listed = state["payload"]["sessions"]
        return {one.get("agent_alias", one["session_type"]): one for one in listed}

    async def typed(self, session_id: str, data: str) -> None:
        await self.send({"type": "session.input", "session_id": session_id, "payload": {"data": data}})

    async def screen_until(self, text: str) -> str:
        """Terminal output, joined, until `text` is in it."""
        shown = ""
        while text not in shown:
            output = await self.next(
                "session.output", where=lambda m: m["payload"]["content_type"] == "terminal"
            )
            shown += output["payload"]["content"]
        return shown
